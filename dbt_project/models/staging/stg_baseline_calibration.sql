select
    model as candidate,
    prefix_source,
    category,
    comparable,
    moved,
    {{ nan_to_null('sme') }} as sme,
    {{ nan_to_null('baseline_sme') }} as baseline_sme,
    {{ nan_to_null('log_score') }} as log_score,
    {{ nan_to_null('baseline_log_score') }} as baseline_log_score,
    direction_correct,
    baseline_direction_correct,
    stack_hash,
    forecast_hash,
    kind,
    sandbox
from {{ source('lake', 'baseline_calibration') }}
