-- Grain: stack_hash, sandbox, kind, candidate, filter, compared_with, called_by. `all` in candidate is the pooled row.
-- Every filter has a row, also where nothing passes it: 0 of 0 is a result.
with filters as (

    select unnest(['moved', 'comparable', 'all']) as filter

),

calls as (

    select
        directions.*,
        filters.filter,
        coalesce(
            case filters.filter when 'moved' then moved when 'comparable' then comparable else true end, false
        ) as passes
    from {{ ref('int_direction_calls') }} as directions
    cross join filters

)

select
    coalesce(calls.candidate, 'all') as candidate,
    calls.filter,
    compared_with,
    called_by,
    kind,
    stack_hash,
    sandbox,
    count(*) filter (where passes) as categories,
    count(calls.correct) filter (where passes) as called,
    count(*) filter (where passes and called_direction = 0) as abstained,
    count(*) filter (where passes and calls.correct) as correct,
    count(*) filter (where passes and calls.correct)
        / nullif(count(calls.correct) filter (where passes), 0) as accuracy
from calls
group by
    calls.filter, compared_with, called_by, kind, stack_hash, sandbox,
    grouping sets ((calls.candidate), ())
order by stack_hash, sandbox, kind, 1, 2, compared_with, called_by
