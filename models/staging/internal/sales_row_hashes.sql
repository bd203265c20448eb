{% if setting('duplicate_sales') == 'keep' -%}
select null::ubigint as row_hash
where false
{%- else -%}
with _input as (
    {{ sales_rows() | indent(4) }}
)

select hash(_input) as row_hash
from _input
{%- endif %}
