-- Everything but sums by period and product starts here. Money is summed as DECIMAL, which is exact in any order.
{% call over_sales({
    'n_rows': 'sum', 'sales_amount': 'sum', 'returned_amount': 'sum', 'units': 'sum', 'rejected_value': 'min',
    'first_sold_on': 'min', 'last_sold_on': 'max'
}) -%}
select
    -- text
    store_id,
    rejection_reason,

    -- numbers
    product_group,
    count(*) as n_rows,
    sum(sales_amount)::decimal(38, 4) as sales_amount,
    sum(sales_amount) filter (where sales_amount < 0)::decimal(38, 4) as returned_amount,
    sum(units)::decimal(38, 4) as units,

    -- examples
    min(rejected_value) as rejected_value,

    -- dates
    min(sold_on) as first_sold_on,
    max(sold_on) as last_sold_on
from {{ ref('stg_internal__sales') }}
group by all
{%- endcall %}
order by store_id, product_group, rejection_reason
