-- The forecast that counts is the latest amendment; a candidate's partition holds all of them.
select
    model as candidate,
    deployment,
    category,
    category_group,
    cast(released_at as timestamp with time zone) as released_at,
    kind,
    stack_hash,
    forecast_hash,
    cast(amendment as integer) as amendment,
    sequence,
    sandbox
from {{ source('lake', 'registered_forecasts') }}
qualify amendment = max(amendment) over (partition by model)
