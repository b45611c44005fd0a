-- A ratio compares labels made in one way: what is judged by other prompts, or another judge, is no comparison.
select candidate, simulated_model, judge, measure
from {{ ref('stg_awareness_rates') }}
group by all
having count(distinct definitions_hash) > 1
    or count(*) filter (where source <> 'simulated' and outside is not null) > 0
