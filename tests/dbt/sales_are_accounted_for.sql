-- Reads the input itself, so that it does not share the arithmetic of data_reconciliation. Amounts
-- have four decimals, rounded from their text, as in staging; what is no finite number is nothing.
with given as (
    select
        coalesce(sum(try_cast(
            trim(sales_amount::varchar, ' ' || chr(9) || chr(10) || chr(13) || chr(160)) as decimal(18, 4)
        )), 0) as sales_amount
    from {{ input('sales') }}
),

accepted as (
    select coalesce(sum(sales_amount), 0) as sales_amount
    from {{ ref('int_sales_by_need_state') }}
),

rejected as (
    select coalesce(sum(sales_amount), 0) as sales_amount
    from {{ ref('rejected_rows') }}
    where input = 'sales'
)

select
    given.sales_amount as given_amount,
    accepted.sales_amount as accepted_amount,
    rejected.sales_amount as rejected_amount
from given
cross join accepted
cross join rejected
where abs(given.sales_amount - accepted.sales_amount - rejected.sales_amount) >= 0.01
