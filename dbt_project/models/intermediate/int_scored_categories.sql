-- One row per candidate and category: a scored forecast with the log rates that rate_calibration correlates.
select
    *,
    ln({{ jeffreys_rate('forecast_per_100k', 'forecast_n', 'forecast_design_effect') }}) as log_forecast_rate,
    ln({{ jeffreys_rate('observed_per_100k', 'observed_n', 'observed_design_effect') }}) as log_observed_rate
from {{ ref('stg_post_release_calibration') }}
