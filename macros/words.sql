{#- Numbers as people write them in a sentence. -#}


{% macro readable_number(expression) -%}
    case
        when abs({{ expression }}) >= 100 then format('{:,}', round({{ expression }})::hugeint)
        when abs({{ expression }}) >= 10 then format('{:.1f}', {{ expression }})
        when abs({{ expression }}) >= 1 then format('{:.2f}', {{ expression }})
        else format('{:.3g}', {{ expression }})
    end
{%- endmacro %}


{% macro readable_percent(expression) -%}
    format(if(abs({{ expression }}) < 0.0995, '{:.1f} %', '{:.0f} %'), 100 * {{ expression }})
{%- endmacro %}


{#- An amount of money; signs such as $ come first, codes such as EUR last. -#}
{% macro readable_money(expression, currency) -%}
    {%- if currency[0] in '$€£¥' -%}
        {{ sql_text(currency) }} || {{ readable_number(expression) }}
    {%- else -%}
        {{ readable_number(expression) }} || {{ sql_text(' ' ~ currency) }}
    {%- endif -%}
{%- endmacro %}


{% macro readable_part(part, whole) -%}
    case
        when abs({{ whole }}) >= 1e9 then format('{:.2f} of {:.2f} bn', ({{ part }} / 1e9)::double, ({{ whole }} / 1e9)::double)
        when abs({{ whole }}) >= 1e6 then format('{:.2f} of {:.2f} m', ({{ part }} / 1e6)::double, ({{ whole }} / 1e6)::double)
        else format('{:,.2f} of {:,.2f}', {{ part }}::double, {{ whole }}::double)
    end
{%- endmacro %}
