-- Grain: stack_hash, sandbox, kind, candidate, category_group. `all` in candidate or category_group is the
-- pooled row. Stacks, sandbox and real studies, and retrospective and registered forecasts are never pooled.
-- SME statistics, tau and the counts of intervals and calls come summarised from Python; the rest is counted here.
-- tests/calibration_summary_is_of_these_rows.sql holds the two to the same rows.
with counted as (

    select
        coalesce(scored.candidate, 'all') as candidate,
        coalesce(scored.category_group, 'all') as category_group,
        kind,
        stack_hash,
        sandbox,
        count(distinct scored.candidate) as candidates,
        count(*) as categories,
        count(*) filter (where comparable) as comparable_categories,
        count(*) filter (where missed) as missed,
        count(missed) as missed_of,
        avg(cast(observed_in_prediction as integer)) as observed_in_prediction_share,
        avg(log_score) filter (where baseline_log_score is not null) as log_score_mean,
        avg(baseline_log_score) filter (where log_score is not null) as baseline_log_score_mean,
        avg(ratio_log_score) filter (where log_score is not null and baseline_log_score is not null)
            as ratio_log_score_mean,
        avg(predictive_log_score) as predictive_log_score_mean,
        {{ nan_to_null('corr(log_forecast_rate, log_observed_rate) filter (where comparable)') }}
            as log_rate_pearson_r
    from {{ ref('int_scored_categories') }} as scored
    group by
        kind, stack_hash, sandbox,
        grouping sets (
            (scored.candidate, scored.category_group), (scored.candidate), (scored.category_group), ()
        )

)

select
    candidate,
    category_group,
    kind,
    stack_hash,
    sandbox,
    counted.candidates,
    counted.categories,
    counted.comparable_categories,
    counted.missed,
    counted.missed_of,
    summary.sme_median,
    summary.sme_median_noise_floor,
    summary.sme_median_noise_floor_p90,
    summary.baseline_sme_median,
    summary.sme_p90,
    summary.sme_worst,
    summary.sme_worst_category,
    summary.sme_worst_candidate,
    summary.ratio_sme_median,
    summary.tau,
    summary.tau_lower,
    summary.tau_upper,
    summary.intrinsic_sme,
    summary.intrinsic_sme_lower,
    summary.intrinsic_sme_upper,
    summary.inside,
    summary.inside_of,
    counted.observed_in_prediction_share,
    counted.log_score_mean,
    counted.baseline_log_score_mean,
    counted.ratio_log_score_mean,
    counted.predictive_log_score_mean,
    counted.log_rate_pearson_r,
    summary.called,
    summary.called_correct,
    summary.abstained,
    summary.called_movers,
    summary.called_movers_correct
from counted
left join {{ ref('stg_calibration_summary') }} as summary
    using (kind, stack_hash, sandbox, candidate, category_group)
order by stack_hash, sandbox, kind, candidate, category_group
