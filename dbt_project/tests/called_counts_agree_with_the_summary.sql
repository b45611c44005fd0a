{{ config(meta={'dagster': {'ref': {'name': 'rate_calibration'}}}) }}
-- Directions called by probability are counted twice: in Python for the summary, and here from the rows.
select summary.candidate, summary.kind, summary.stack_hash
from {{ ref('rate_calibration') }} as summary
join {{ ref('directional_accuracy') }} as every
    on every.filter = 'all' and every.called_by = 'probability'
    and every.candidate = summary.candidate and every.kind = summary.kind
    and every.stack_hash = summary.stack_hash and every.sandbox = summary.sandbox
join {{ ref('directional_accuracy') }} as movers
    on movers.filter = 'moved' and movers.called_by = 'probability'
    and movers.candidate = summary.candidate and movers.kind = summary.kind
    and movers.stack_hash = summary.stack_hash and movers.sandbox = summary.sandbox
where summary.category_group = 'all'
    and (summary.called, summary.called_correct, summary.abstained, summary.called_movers, summary.called_movers_correct)
        is distinct from (every.called, every.correct, every.abstained, movers.called, movers.correct)
