-- The SME that Python computed is max(a/b, b/a) of the smoothed rates that the correlation uses, within 1 %.
select candidate, category, sme
from {{ ref('int_scored_categories') }}
where sme is not null
    and abs(sme / exp(abs(log_forecast_rate - log_observed_rate)) - 1) > 0.01
