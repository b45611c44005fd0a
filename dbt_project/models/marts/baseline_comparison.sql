-- Grain: stack_hash, sandbox, kind, candidate, baseline, filter. `all` in candidate is the pooled row.
-- Every score is over the pairs that have both, so forecast and baseline are judged on the same categories.
with filters as (

    select unnest(['moved', 'comparable', 'all']) as filter

),

scored as (

    select
        scores.*,
        filters.filter,
        coalesce(
            case filters.filter when 'moved' then moved when 'comparable' then comparable else true end, false
        ) as passes
    from {{ ref('int_baseline_scores') }} as scores
    cross join filters

)

select
    coalesce(scored.candidate, 'all') as candidate,
    baseline,
    scored.filter,
    kind,
    stack_hash,
    sandbox,
    count(*) filter (where passes) as categories,
    count(*) filter (where passes and log_score is not null and baseline_log_score is not null) as log_scored,
    avg(log_score) filter (where passes and baseline_log_score is not null) as log_score_mean,
    avg(baseline_log_score) filter (where passes and log_score is not null) as baseline_log_score_mean,
    count(*) filter (where passes and log_score < baseline_log_score) as forecast_better,
    exp(avg(ln(sme)) filter (where passes and baseline_sme is not null)) as sme_mean,
    exp(avg(ln(baseline_sme)) filter (where passes and sme is not null)) as baseline_sme_mean,
    count(direction_correct) filter (where passes) as called,
    count(*) filter (where passes and direction_correct) as correct,
    count(baseline_direction_correct) filter (where passes) as baseline_called,
    count(*) filter (where passes and baseline_direction_correct) as baseline_correct
from scored
group by
    baseline, scored.filter, kind, stack_hash, sandbox,
    grouping sets ((scored.candidate), ())
order by stack_hash, sandbox, kind, 1, baseline, scored.filter
