with outcomes as (
    select
        'sales' as input,
        'accepted' as outcome,
        null as reason,
        coalesce(sum(n_rows), 0) as n_rows,
        sum(sales_amount) as sales_amount
    from {{ ref('int_sales_outcomes') }}
    where reason is null
    union all
    select
        'products' as input,
        'accepted' as outcome,
        null as reason,
        count(*) as n_rows,
        null as sales_amount
    from {{ ref('stg_internal__products') }}
    {%- for source_name in external_sources() %}
        union all
        select
            '{{ source_name }}' as input,
            'accepted' as outcome,
            null as reason,
            count(*) as n_rows,
            null as sales_amount
        from {{ ref('stg_external__' ~ source_name) }}
    {%- endfor %}
    union all
    select
        input,
        'rejected' as outcome,
        reason,
        count(*) as n_rows,
        sum(sales_amount) as sales_amount
    from {{ ref('rejected_rows') }}
    where is_whole_row
    group by all
)

select
    -- text
    input,
    outcome,
    reason,

    -- numbers
    n_rows::bigint as n_rows,
    sum(n_rows) over (partition by input)::bigint as n_rows_in,
    sales_amount,
    sum(sales_amount) over (partition by input) as sales_amount_in
from outcomes
order by input, outcome, reason
