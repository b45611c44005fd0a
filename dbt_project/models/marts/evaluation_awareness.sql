-- Grain: candidate, simulated_model, judge, measure. Rates, intervals and ratios come from Python; here the three sources
-- stand side by side. The giveaway is the value of a property of the replay that raises suspicion most; one of fewer users
-- than may be named is not chosen.
with rates as (

    select
        candidate,
        simulated_model,
        judge,
        measure,
        coalesce(
            any_value(deployment) filter (where source = 'simulated'),
            any_value(deployment) filter (where source = 'production')
        ) as deployment,
        any_value(definitions_hash) as definitions_hash,
        any_value(sandbox) as sandbox,
        {% for source in ('production', 'simulated', 'evaluation') %}
        {% for column in ('k', 'n', 'missing', 'clusters', 'rate_per_100k', 'lower_per_100k', 'upper_per_100k') %}
        any_value({{ column }}) filter (where source = '{{ source }}')
            as {{ source }}_{{ column | replace('rate_per', 'per') }},
        {% endfor %}
        {% endfor %}
        any_value(ratio) filter (where source = 'simulated') as ratio,
        any_value(ratio_lower) filter (where source = 'simulated') as ratio_lower,
        any_value(ratio_upper) filter (where source = 'simulated') as ratio_upper,
        any_value(ratio_method) filter (where source = 'simulated') as ratio_method,
        any_value(outside) filter (where source = 'simulated') as outside
    from {{ ref('stg_awareness_rates') }}
    group by candidate, simulated_model, judge, measure

),

giveaways as (

    select *
    from {{ ref('stg_replay_giveaways') }}
    where source = 'simulated'
        and raises_suspicion
        and not reference
        and clusters >= {{ var('k_anonymity') }}
    qualify row_number() over (
        partition by candidate, simulated_model, judge, measure
        order by ratio desc nulls last, p_benjamini_hochberg nulls last, dimension, value
    ) = 1

)

select
    rates.candidate,
    rates.deployment,
    rates.simulated_model,
    rates.judge,
    rates.measure,
    {% for source in ('production', 'simulated', 'evaluation') %}
    rates.{{ source }}_k,
    rates.{{ source }}_n,
    rates.{{ source }}_missing,
    rates.{{ source }}_clusters,
    rates.{{ source }}_per_100k,
    rates.{{ source }}_lower_per_100k,
    rates.{{ source }}_upper_per_100k,
    {% endfor %}
    rates.ratio,
    rates.ratio_lower,
    rates.ratio_upper,
    rates.ratio_method,
    rates.outside,
    giveaways.dimension as giveaway_dimension,
    giveaways.value as giveaway_value,
    giveaways.ratio as giveaway_ratio,
    giveaways.ratio_lower as giveaway_ratio_lower,
    giveaways.ratio_upper as giveaway_ratio_upper,
    rates.definitions_hash,
    rates.sandbox
from rates
left join giveaways using (candidate, simulated_model, judge, measure)
order by rates.candidate, rates.simulated_model, rates.measure, rates.judge
