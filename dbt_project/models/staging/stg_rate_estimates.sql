select
    week,
    model as candidate,
    deployment,
    category,
    k,
    n,
    stack_hash,
    sandbox
from {{ source('lake', 'rate_estimates') }}
