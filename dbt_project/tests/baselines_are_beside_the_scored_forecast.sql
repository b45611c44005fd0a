{{ config(meta={'dagster': {'ref': {'name': 'stg_baseline_calibration'}}}) }}
-- A baseline is judged beside the forecast that is scored now: rows of an older score are stale.
select baselines.candidate, baselines.prefix_source, baselines.category
from {{ ref('stg_baseline_calibration') }} as baselines
left join {{ ref('stg_post_release_calibration') }} as calibration using (candidate, category)
where baselines.forecast_hash is distinct from calibration.forecast_hash
    or baselines.sme is distinct from calibration.sme
    or baselines.log_score is distinct from calibration.log_score
