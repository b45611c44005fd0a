{{ config(meta={'dagster': {'ref': {'name': 'stg_calibration_summary'}}}) }}
-- The summary was made of the very rows that are counted here: a stale one, or one that lacks a group, fails.
select
    mart.candidate, mart.category_group, mart.kind, mart.stack_hash, summary.categories, mart.categories as counted
from {{ ref('rate_calibration') }} as mart
full join {{ ref('stg_calibration_summary') }} as summary
    using (kind, stack_hash, sandbox, candidate, category_group)
where mart.categories is distinct from summary.categories
    or mart.comparable_categories is distinct from summary.comparable_categories
    or (mart.category_group <> 'all' and mart.candidate <> 'all' and summary.sme_worst is distinct from (
        select max(scored.sme)
        from {{ ref('int_scored_categories') }} as scored
        where scored.comparable
            and scored.candidate = mart.candidate
            and scored.category_group = mart.category_group
            and scored.kind = mart.kind
            and scored.stack_hash = mart.stack_hash
            and scored.sandbox = mart.sandbox
    ))
