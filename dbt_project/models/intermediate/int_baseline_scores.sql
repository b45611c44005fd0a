-- One row per candidate, category and baseline: the forecast's scores beside the baseline's. To predict no change calls
-- no direction; the unshrunk ratio calls the sign of X->Y minus Y->Y, a prefix source that of X minus Y on its own prompts.
with scored as (

    select * from {{ ref('int_scored_categories') }}

)

select
    candidate, category, kind, stack_hash, sandbox, comparable, moved,
    'previous_production' as baseline,
    sme,
    baseline_sme,
    log_score,
    baseline_log_score,
    direction_correct,
    cast(null as boolean) as baseline_direction_correct
from scored

union all

select
    candidate, category, kind, stack_hash, sandbox, comparable, moved,
    'unshrunk_ratio' as baseline,
    sme,
    ratio_sme as baseline_sme,
    log_score,
    ratio_log_score as baseline_log_score,
    direction_correct,
    {{ directions_agree('ratio_direction', 'observed_direction') }} as baseline_direction_correct
from scored

union all

select
    candidate, category, kind, stack_hash, sandbox, comparable, moved,
    prefix_source as baseline,
    sme,
    baseline_sme,
    log_score,
    baseline_log_score,
    direction_correct,
    baseline_direction_correct
from {{ ref('stg_baseline_calibration') }}
