select
    model as candidate,
    simulated_model,
    measure,
    judge,
    source,
    dimension,
    value,
    clusters,
    reference,
    {{ nan_to_null('ratio') }} as ratio,
    {{ nan_to_null('ratio_lower') }} as ratio_lower,
    {{ nan_to_null('ratio_upper') }} as ratio_upper,
    {{ nan_to_null('p_benjamini_hochberg') }} as p_benjamini_hochberg,
    raises_suspicion,
    sandbox
from {{ source('lake', 'replay_giveaways') }}
