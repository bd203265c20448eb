-- The one pass over all sales: what is accepted is summed as it is read, and a row that is rejected or
-- repeated stands for itself. Money is summed as DECIMAL, which is exact in any order.
with typed as (
    {{ typed_sales() | indent(4) }}
),

-- a row without a date that is sound all the same is summed with those that have none
summed as (
    select
        store_id,
        product_group,
        case
            when {{ is_sound_sale() | indent(12) }} then null
            when
                not _is_repeated
                and {{ value_problem() | indent(16) }} is null
                and {{ place_problem() | indent(16) }} is null
                then null
            else to_json({
                'value_problem': {{ value_problem() | indent(16) }},
                'place_problem': {{ place_problem() | indent(16) }},
                'is_repeated': _is_repeated,
                'sales_amount': sales_amount::varchar,
                'units': units::varchar,
                'input_row': {{ sale_as_json() }}
            })::varchar
        end as single,
        sum(sales_amount) as sales_amount,
        sum(units) as units,
        count(*) as n_rows,
        min(sold_on) as first_sold_on,
        max(sold_on) as last_sold_on
    from typed
    group by all
),

rows_and_sums as (
    select
        * exclude (n_rows, sales_amount, units),
        if(single is null, n_rows, 1) as n_rows,
        if(single is null, sales_amount, (single ->> 'sales_amount')::decimal(18, 4)) as sales_amount,
        if(single is null, units, (single ->> 'units')::decimal(18, 4)) as units,
        unnest(if(single is null, [0], range(n_rows))) as copy
    from summed
)

select
    -- text
    store_id,
    single ->> 'input_row' as input_row,
    coalesce(
        single ->> 'value_problem',
        if((single ->> 'is_repeated')::boolean and copy > 0, 'row repeats another one exactly', null),
        single ->> 'place_problem'
    ) as reason,

    -- numbers
    product_group,
    n_rows,
    sales_amount::decimal(38, 4) as sales_amount,
    units::decimal(38, 4) as units,

    -- dates
    first_sold_on,
    last_sold_on
from rows_and_sums
order by store_id, product_group, reason, input_row
