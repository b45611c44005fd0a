-- One row per candidate, category and baseline: the forecast's scores beside the baseline's. To predict no change calls
-- no direction; a prefix source calls the sign of X minus Y on its own prompts.
select
    candidate, category, kind, stack_hash, sandbox, comparable, moved,
    'previous_production' as baseline,
    sme,
    baseline_sme,
    log_score,
    baseline_log_score,
    direction_correct,
    cast(null as boolean) as baseline_direction_correct
from {{ ref('int_scored_categories') }}

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
