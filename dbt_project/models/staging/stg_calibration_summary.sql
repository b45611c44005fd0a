select
    model as candidate,
    category_group,
    kind,
    stack_hash,
    sandbox,
    categories,
    comparable_categories,
    {{ nan_to_null('sme_median') }} as sme_median,
    {{ nan_to_null('sme_median_noise_floor') }} as sme_median_noise_floor,
    {{ nan_to_null('sme_median_noise_floor_p90') }} as sme_median_noise_floor_p90,
    {{ nan_to_null('baseline_sme_median') }} as baseline_sme_median,
    {{ nan_to_null('sme_p90') }} as sme_p90,
    {{ nan_to_null('sme_worst') }} as sme_worst,
    sme_worst_category,
    sme_worst_model as sme_worst_candidate
from {{ source('lake', 'calibration_summary') }}
