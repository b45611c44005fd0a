{#- One view per lake table over exactly the files in var `lake_tables`: partitions are published through
    manifests, so a directory glob could read a partition that was never published. -#}

{% macro create_lake_views() %}
  {% if execute %}
    {% set lake_tables = var('lake_tables') %}
    {% for source in graph.sources.values() if source.source_name == 'lake' %}
      {% set files = lake_tables.get(source.name, []) %}
      {% if loop.first %}
        {% do run_query('create schema if not exists ' ~ adapter.quote(source.schema)) %}
      {% endif %}
      {% if files %}
        {% do create_view_over_files(source, files) %}
      {% elif source.config.meta.get('optional', false) %}
        {% do create_empty_view(source) %}
      {% else %}
        {% do exceptions.raise_compiler_error(
            "lake table '" ~ source.name ~ "' has no published file: materialise it, or pass its files in "
            ~ "the var lake_tables") %}
      {% endif %}
    {% endfor %}
    {% do adapter.commit() %}
  {% endif %}
{% endmacro %}


{% macro lake_view_name(source) %}
  {{- return(adapter.quote(source.schema) ~ '.' ~ adapter.quote(source.name)) -}}
{% endmacro %}


{#- union_by_name: an older partition may lack a newer column. hive_partitioning off:
    the files hold their own partition columns, and a directory above the lake may look like `key=value`. -#}
{% macro create_view_over_files(source, files) %}
  {% set quoted = [] %}
  {% for file in files %}
    {% do quoted.append("'" ~ (file | replace("'", "''")) ~ "'") %}
  {% endfor %}
  {% do run_query(
      'create or replace view ' ~ lake_view_name(source) ~ ' as select * from read_parquet(['
      ~ quoted | join(', ') ~ '], union_by_name = true, hive_partitioning = false)') %}

  {% set present = run_query('describe ' ~ lake_view_name(source)).columns[0].values() | list %}
  {% set missing = source.columns.keys() | reject('in', present) | list %}
  {% if missing %}
    {% do exceptions.raise_compiler_error(
        "lake table '" ~ source.name ~ "' lacks the column(s) " ~ missing | join(', ')
        ~ ": it was written by another version; materialise it again") %}
  {% endif %}
{% endmacro %}


{% macro create_empty_view(source) %}
  {% set columns = [] %}
  {% for column in source.columns.values() %}
    {% do columns.append('cast(null as ' ~ column.data_type ~ ') as ' ~ adapter.quote(column.name)) %}
  {% endfor %}
  {% do run_query(
      'create or replace view ' ~ lake_view_name(source) ~ ' as select ' ~ columns | join(', ')
      ~ ' where false') %}
{% endmacro %}
