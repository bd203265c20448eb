{#- A numeric external column enters plain or as its logarithm, and its feature says so by name. A model
    that is kept while the form changes reads today's value through the conversion. -#}


{% macro feature_form(lane, feature) -%}
    case when {{ lane }} = 'external' and regexp_full_match({{ feature }}, '(log|log1p)\(.*\)')
        then split_part({{ feature }}, '(', 1) else 'plain' end
{%- endmacro %}


{% macro feature_column(lane, feature) -%}
    case when {{ lane }} = 'external'
        then regexp_replace({{ feature }}, '^(log|log1p)\((.*)\)$', '\2') else {{ feature }} end
{%- endmacro %}


{% macro conversions(value) -%}
    {{ return({
        'none': value,
        'plain to log': 'case when ' ~ value ~ ' > 0 then ln(' ~ value ~ ') end',
        'plain to log1p': 'case when ' ~ value ~ ' > -1 then ln(1 + ' ~ value ~ ') end',
        'log to plain': 'exp(' ~ value ~ ')',
        'log to log1p': 'ln(1 + exp(' ~ value ~ '))',
        'log1p to plain': 'exp(' ~ value ~ ') - 1',
        'log1p to log': 'case when ' ~ value ~ ' > 0 then ln(exp(' ~ value ~ ') - 1) end',
        'zero': '0 * ' ~ value,
        'missing': 'null::double',
    }) }}
{%- endmacro %}
