-- One row per candidate, category, reference that the simulated rate was compared with, and way of calling. By sign every
-- difference is a call, as published; by probability only one that is probable enough, and the rest are abstentions. Whether
-- a call was right is known where a direction was observed.
with scored as (

    select * from {{ ref('int_scored_categories') }}

),

against_production as (

    select
        candidate, category, kind, stack_hash, sandbox, comparable, moved,
        'previous_production' as compared_with,
        'sign' as called_by,
        forecast_direction as called_direction,
        observed_direction,
        direction_correct as correct
    from scored

),

against_simulation as (

    select
        candidate, category, kind, stack_hash, sandbox, comparable, moved,
        'predecessor_simulation' as compared_with,
        'sign' as called_by,
        paired_direction as called_direction,
        observed_direction,
        {{ directions_agree('paired_direction', 'observed_direction') }} as correct
    from scored

),

by_probability as (

    select
        candidate, category, kind, stack_hash, sandbox, comparable, moved,
        'previous_production' as compared_with,
        'probability' as called_by,
        called_direction,
        observed_direction,
        called_correct as correct
    from scored

)

select * from against_production
union all
select * from against_simulation
union all
select * from by_probability
