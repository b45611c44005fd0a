-- outside comes from Python; it must say what ratio and interval say.
select candidate, simulated_model, judge, measure, ratio, ratio_lower, ratio_upper, outside
from {{ ref('evaluation_awareness') }}
where outside and (ratio between 0.5 and 2 or (ratio_lower <= 1 and ratio_upper >= 1))
