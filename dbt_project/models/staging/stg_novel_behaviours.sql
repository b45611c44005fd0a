select
    model as candidate,
    behaviour,
    novel,
    audited,
    {{ nan_to_null('detectable_per_100k') }} as detectable_per_100k,
    stack_hash,
    sandbox
from {{ source('lake', 'novel_behaviours') }}
