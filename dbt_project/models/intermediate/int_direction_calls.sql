-- One row per candidate, category and reference that the simulated rate was compared with. A call exists
-- where forecast and observed direction are both non-zero; everything else is an abstention.
with scored as (

    select * from {{ ref('int_scored_categories') }}

),

against_production as (

    select
        candidate, category, kind, stack_hash, sandbox, comparable, moved,
        'previous_production' as compared_with,
        forecast_direction as called_direction,
        observed_direction,
        direction_correct as correct
    from scored

),

against_simulation as (

    select
        candidate, category, kind, stack_hash, sandbox, comparable, moved,
        'predecessor_simulation' as compared_with,
        paired_direction as called_direction,
        observed_direction,
        case when paired_direction <> 0 and observed_direction <> 0
            then paired_direction = observed_direction
        end as correct
    from scored

)

select * from against_production
union all
select * from against_simulation
