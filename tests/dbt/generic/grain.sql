{#- What one row is: the rows returned are the combinations of the columns of a key that occur more than once,
    have a null in the key, or lack a value that is always there. -#}
{% test grain(model, columns, not_null=[]) %}
select
    {{ columns | join(', ') }},
    {%- for column in not_null %}
    count(*) - count({{ column }}) as n_without_{{ column }},
    {%- endfor %}
    count(*) as n_rows
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}
    {%- for column in not_null %}
    or count({{ column }}) < count(*)
    {%- endfor %}
{% endtest %}
