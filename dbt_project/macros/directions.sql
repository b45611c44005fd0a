{#- Whether a called and an observed direction agree; null unless both are directions. -#}
{% macro directions_agree(called, observed) %}
  case when {{ called }} <> 0 and {{ observed }} <> 0 then {{ called }} = {{ observed }} end
{% endmacro %}
