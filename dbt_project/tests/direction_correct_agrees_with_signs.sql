-- direction_correct comes from Python; it must say what the two directions say.
select candidate, category
from {{ ref('int_scored_categories') }}
where direction_correct is distinct from (
    case when forecast_direction <> 0 and observed_direction <> 0
        then forecast_direction = observed_direction
    end
)
