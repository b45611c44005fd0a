{{ config(meta={'dagster': {'ref': {'name': 'stg_post_release_calibration'}}}) }}
-- Every scored row belongs to the forecast that was sealed, under the same stack: none was made again later.
select calibration.candidate, calibration.category
from {{ ref('stg_post_release_calibration') }} as calibration
left join {{ ref('stg_registered_forecasts') }} as forecasts using (candidate, category)
where forecasts.forecast_hash is distinct from calibration.forecast_hash
    or forecasts.stack_hash is distinct from calibration.stack_hash
    or forecasts.deployment is distinct from calibration.deployment
