select
    model as candidate,
    behaviour,
    novel,
    missed,
    stack_hash,
    sandbox
from {{ source('lake', 'post_release_behaviours') }}
