{% macro all_cluster_models() -%}
select
    'internal' as lane,
    *
from {{ ref('internal_cluster_models') }}
union all
select
    'external' as lane,
    *
from {{ ref('external_cluster_models') }}
{%- endmacro %}
