select
    week,
    model as candidate,
    deployment,
    prefix_source,
    category,
    k,
    n,
    stack_hash,
    sandbox
from {{ source('lake', 'rate_estimates') }}
