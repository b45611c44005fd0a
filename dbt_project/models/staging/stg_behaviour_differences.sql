select
    model as candidate,
    feature,
    discovered,
    stack_hash,
    sandbox
from {{ source('lake', 'behaviour_differences') }}
