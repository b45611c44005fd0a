select
    behaviour,
    decision,
    category,
    cast(decided_at as timestamp with time zone) as decided_at
from {{ source('lake', 'behaviour_decisions') }}
