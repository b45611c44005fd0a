select
    model as candidate,
    category,
    answered,
    matched,
    {{ nan_to_null('recall') }} as recall,
    stack_hash,
    sandbox
from {{ source('lake', 'category_ablation') }}
