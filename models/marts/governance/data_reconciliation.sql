-- Accepted money is the money of the features. The returns of need states without sales left are a line of their
-- own, without rows: a row may count in several need states.
with zeroed as (
    select coalesce(sum(sales_amount), 0) as sales_amount
    from {{ ref('rejected_rows') }}
    where input = 'sales' and column_name = 'sales_amount'
),

outcomes as (
    select
        'sales' as input,
        'accepted' as outcome,
        null as reason,
        coalesce(sum(n_rows), 0) as n_rows,
        sum(sales_amount) - (select sales_amount from zeroed) as sales_amount,
        coalesce(sum(returned_amount), 0) as returned_amount,
        (select repeated_share from {{ ref('int_repeated_sales') }}) as repeated_share
    from {{ ref('int_sales_outcomes') }}
    where rejection_reason is null
    union all by name
    select
        input,
        'rejected' as outcome,
        reason,
        0 as n_rows,
        sum(sales_amount) as sales_amount
    from {{ ref('rejected_rows') }}
    where input = 'sales' and column_name = 'sales_amount'
    group by all
    union all by name
    select
        'products' as input,
        'accepted' as outcome,
        null as reason,
        count(*) as n_rows,
        null as sales_amount
    from {{ ref('stg_internal__products') }}
    {%- for source_name in external_sources() %}
        union all by name
        select
            '{{ source_name }}' as input,
            'accepted' as outcome,
            null as reason,
            count(*) as n_rows,
            null as sales_amount
        from {{ ref('stg_external__' ~ source_name) }}
    {%- endfor %}
    union all by name
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
    sales_amount::decimal(38, 4) as sales_amount,
    (sum(sales_amount) over (partition by input))::decimal(38, 4) as sales_amount_in,
    returned_amount::decimal(38, 4) as returned_amount,
    (-returned_amount / nullif(sales_amount - returned_amount, 0))::double as returned_share,
    repeated_share
from outcomes
{%- if not has_input('sales') %}
    where input not in ('sales', 'products')
{%- endif %}
order by input, outcome, reason
