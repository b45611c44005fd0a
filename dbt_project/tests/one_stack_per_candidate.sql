-- One candidate, one measurement stack, one kind of forecast: mixing two is an error.
select candidate
from {{ ref('stg_registered_forecasts') }}
group by candidate
having count(distinct stack_hash) > 1
    or count(distinct kind) > 1
    or count(distinct sandbox) > 1
    or count(distinct deployment) > 1
