-- Grain: candidate. Every sealed forecast has its row, also the ones that were never scored: a forecast that
-- quietly stays unscored should show. `novel_other` is counted apart from the tracked categories.
with forecasts as (

    select
        candidate,
        any_value(deployment) as deployment,
        any_value(kind) as kind,
        any_value(stack_hash) as stack_hash,
        any_value(sandbox) as sandbox,
        any_value(released_at) as released_at,
        count(*) filter (where category <> 'novel_other') as categories_tracked
    from {{ ref('stg_registered_forecasts') }}
    group by candidate

),

outcomes as (

    select
        candidate,
        count(*) filter (where tracked and observed_k > 0) as categories_observed,
        max(observed_n) as observed_n,
        count(*) filter (where unforeseen) as unforeseen_categories,
        coalesce(list(category order by category) filter (where unforeseen), []) as unforeseen_category_names,
        max(forecast_k) filter (where not tracked) as novel_other_forecast_k,
        max(observed_k) filter (where not tracked) as novel_other_observed_k,
        max(observed_per_100k) filter (where not tracked) as novel_other_observed_per_100k,
        max(detectable_per_100k) filter (where not tracked) as detectable_per_100k
    from (
        select
            *,
            category <> 'novel_other' as tracked,
            category <> 'novel_other' and forecast_k = 0 and observed_k > 0 as unforeseen
        from {{ ref('int_scored_categories') }}
    ) as scored
    group by candidate

),

simulated as (

    select candidate, stack_hash, deployment, count(distinct week) as simulated_weeks
    from {{ ref('stg_rate_estimates') }}
    where prefix_source = 'deployment_traffic'
    group by all

),

production as (

    select
        candidate,
        stack_hash,
        count(distinct week) as production_weeks,
        count(distinct week) filter (where category = 'novel_other' and k > 0) as novel_other_production_weeks
    from {{ ref('stg_observed_rates') }}
    group by all

),

-- What an open-ended audit found, before and after the release. Without a row of the candidate nothing was looked for.
audited as (

    select
        candidate,
        stack_hash,
        max(audited) as audited_completions,
        count(behaviour) filter (where novel) as behaviours_before_release,
        count(behaviour) filter (where novel and category is not null) as accepted_before_release,
        max(detectable_per_100k) as audit_detectable_per_100k
    from {{ ref('stg_novel_behaviours') }}
    left join {{ ref('stg_behaviour_decisions') }} using (behaviour)
    group by all

),

differences as (

    select candidate, stack_hash, count(*) filter (where discovered) as differences_before_release
    from {{ ref('stg_behaviour_differences') }}
    group by all

),

after_release as (

    select
        candidate,
        stack_hash,
        count(behaviour) filter (where novel) as behaviours_after_release,
        count(behaviour) filter (where missed) as behaviours_missed
    from {{ ref('stg_post_release_behaviours') }}
    group by all

),

ablation as (

    select
        candidate,
        stack_hash,
        sum(matched) / nullif(sum(answered), 0) as ablation_recall,
        count(*) filter (where answered > 0) as ablation_categories,
        arg_min(category, (recall, category)) filter (where answered > 0) as ablation_least_recall_category
    from {{ ref('stg_category_ablation') }}
    group by all

)

select
    forecasts.candidate,
    forecasts.deployment,
    forecasts.kind,
    forecasts.stack_hash,
    forecasts.sandbox,
    forecasts.released_at,
    outcomes.candidate is not null as scored,
    forecasts.categories_tracked,
    outcomes.categories_observed,
    cast(outcomes.observed_n as bigint) as observed_n,
    outcomes.unforeseen_categories,
    outcomes.unforeseen_category_names,
    cast(outcomes.novel_other_forecast_k as bigint) as novel_other_forecast_k,
    cast(outcomes.novel_other_observed_k as bigint) as novel_other_observed_k,
    outcomes.novel_other_observed_per_100k,
    outcomes.detectable_per_100k,
    outcomes.novel_other_observed_k > 0 as novel_behaviour_found,
    outcomes.novel_other_observed_per_100k >= outcomes.detectable_per_100k
        as novel_behaviour_above_detectable,
    coalesce(simulated.simulated_weeks, 0) as simulated_weeks,
    coalesce(production.production_weeks, 0) as production_weeks,
    coalesce(production.novel_other_production_weeks, 0) as novel_other_production_weeks,
    cast(audited.audited_completions as bigint) as audited_completions,
    audited.behaviours_before_release,
    audited.accepted_before_release,
    differences.differences_before_release,
    after_release.behaviours_after_release,
    after_release.behaviours_missed,
    audited.audit_detectable_per_100k,
    ablation.ablation_recall,
    ablation.ablation_categories,
    ablation.ablation_least_recall_category
from forecasts
left join outcomes using (candidate)
left join simulated using (candidate, stack_hash, deployment)
left join production using (candidate, stack_hash)
left join audited using (candidate, stack_hash)
left join differences using (candidate, stack_hash)
left join after_release using (candidate, stack_hash)
left join ablation using (candidate, stack_hash)
order by released_at, candidate
