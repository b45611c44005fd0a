{#- Jeffreys-smoothed rate, a share of 1: the rate that SME is defined on, (x + 1/2) / (n + 1) with the weighted
    count x = rate * n; null where n is 0. Under a cascade, whose design effect is below 1, n is the turns that the rate
    is worth (counts_as_read in Python): here both parts of the fraction are multiplied by that effect. SQL needs it for
    the correlation of log rates only; tests/sme_is_of_smoothed_rates.sql holds it to the Python definition. -#}
{% macro jeffreys_rate(per_100k, n, design_effect) %}
  (({{ per_100k }} / 100000 * {{ n }} + 0.5 * least(coalesce({{ design_effect }}, 1), 1))
    / ({{ n }} + least(coalesce({{ design_effect }}, 1), 1)))
{% endmacro %}


{#- Python writes "not defined" as NaN in some columns; SQL aggregates would return NaN for the whole group.
    Infinite values stay: they are results. isnan and not nullif(x, 'nan'): DuckDB 2.0 folds a comparison with
    NaN to false from Parquet statistics, which leave NaN out. -#}
{% macro nan_to_null(column) %}
  case when not isnan(cast({{ column }} as double)) then cast({{ column }} as double) end
{% endmacro %}
