select
    model as candidate,
    deployment,
    category,
    category_group,
    cast(released_at as timestamp with time zone) as released_at,
    kind,
    stack_hash,
    forecast_hash,
    sandbox
from {{ source('lake', 'registered_forecasts') }}
