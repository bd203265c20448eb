-- Reads the input itself, with the types that staging gives to amounts.
with given as (
    {% call over_sales({'n_rows': 'sum', 'sales_amount': 'sum'}) -%}
    select
        count(*) as n_rows,
        coalesce(sum({{ as_amount('sales_amount') | indent(8) }}), 0) as sales_amount
    from {{ input('sales') }}
    {%- endcall %}
),

unreadable as (
    select count(*) as n_rows
    from {{ source('run_log', 'unreadable_lines') }}
    where input = 'sales'
),

accepted as (
    select coalesce(sum(n_rows), 0) as n_rows
    from {{ ref('int_sales_outcomes') }}
    where rejection_reason is null
),

summed as (
    select coalesce(sum(sales_amount), 0) as sales_amount
    from {{ ref('int_sales_by_need_state') }}
),

rejected as (
    select
        count(*) filter (where is_whole_row) as n_rows,
        coalesce(sum(sales_amount), 0) as sales_amount
    from {{ ref('int_rejected_rows') }}
    where input = 'sales'
)

select
    given.n_rows + unreadable.n_rows as n_given_rows,
    accepted.n_rows as n_accepted_rows,
    rejected.n_rows as n_rejected_rows,
    given.sales_amount as given_amount,
    summed.sales_amount as accepted_amount,
    rejected.sales_amount as rejected_amount
from given
cross join unreadable
cross join accepted
cross join summed
cross join rejected
where
    given.n_rows + unreadable.n_rows <> accepted.n_rows + rejected.n_rows
    or abs(given.sales_amount - summed.sales_amount - rejected.sales_amount) >= 0.01
