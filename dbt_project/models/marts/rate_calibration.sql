-- Grain: stack_hash, sandbox, kind, candidate, category_group. `all` in candidate or category_group is the
-- pooled row. Stacks, sandbox and real studies, and retrospective and registered forecasts are never pooled.
-- SME statistics are over the comparable rows: below 10 hits the ratio is mostly noise.
select
    coalesce(scored.candidate, 'all') as candidate,
    coalesce(scored.category_group, 'all') as category_group,
    kind,
    stack_hash,
    sandbox,
    count(distinct scored.candidate) as candidates,
    count(*) as categories,
    count(*) filter (where comparable) as comparable_categories,
    median(sme) filter (where comparable) as sme_median,
    quantile_cont(sme, 0.9) filter (where comparable) as sme_p90,
    max(sme) filter (where comparable) as sme_worst,
    first(category order by sme desc, scored.candidate, category)
        filter (where comparable and sme is not null) as sme_worst_category,
    first(scored.candidate order by sme desc, scored.candidate, category)
        filter (where comparable and sme is not null) as sme_worst_candidate,
    median(sme_noise_floor_median) filter (where comparable) as sme_noise_floor_median,
    median(baseline_sme) filter (where comparable) as baseline_sme_median,
    avg(cast(observed_in_prediction as integer)) as observed_in_prediction_share,
    avg(log_score) filter (where baseline_log_score is not null) as log_score_mean,
    avg(baseline_log_score) filter (where log_score is not null) as baseline_log_score_mean,
    {{ nan_to_null('corr(log_forecast_rate, log_observed_rate) filter (where comparable)') }}
        as log_rate_pearson_r
from {{ ref('int_scored_categories') }} as scored
group by
    kind, stack_hash, sandbox,
    grouping sets (
        (scored.candidate, scored.category_group), (scored.candidate), (scored.category_group), ()
    )
order by stack_hash, sandbox, kind, 1, 2
