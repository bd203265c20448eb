{#- Numbers as people write them in a sentence. -#}


{#- About three digits: 54,321 or 12.3 or 0.456. -#}
{% macro readable_number(expression) -%}
    case
        when abs({{ expression }}) >= 100 then format('{:,}', round({{ expression }})::hugeint)
        when abs({{ expression }}) >= 10 then format('{:.1f}', {{ expression }})
        when abs({{ expression }}) >= 1 then format('{:.2f}', {{ expression }})
        else format('{:.3g}', {{ expression }})
    end
{%- endmacro %}


{#- A share of 0 to 1 as per cent, with a decimal below ten. -#}
{% macro readable_percent(expression) -%}
    format(if(abs({{ expression }}) < 0.0995, '{:.1f} %', '{:.0f} %'), 100 * {{ expression }})
{%- endmacro %}
