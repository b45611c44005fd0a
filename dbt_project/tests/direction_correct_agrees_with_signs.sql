-- direction_correct and called_correct come from Python; they must say what the two directions say.
select candidate, category
from {{ ref('int_scored_categories') }}
where direction_correct is distinct from {{ directions_agree('forecast_direction', 'observed_direction') }}
    or called_correct is distinct from {{ directions_agree('called_direction', 'observed_direction') }}
