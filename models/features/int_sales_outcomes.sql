-- The one pass over all sales: what is accepted is summed as it is read, and a row that is rejected or
-- repeated stands for itself. Money is summed as DECIMAL, which is exact in any order.
with typed as (
    {{ typed_sales() | indent(4) }}
),

summed as (
    select
        store_id,
        product_group,
        case
            when {{ is_sound_sale() | indent(12) }} then null
            else to_json({
                'value_problem': {{ value_problem() | indent(16) }},
                'place_problem': {{ place_problem() | indent(16) }},
                'is_repeated': _is_repeated,
                'sales_amount': sales_amount::varchar,
                'units': units::varchar,
                'sale': {{ sale_as_json() }}
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

-- (filters on `single` would be pushed into the sum and write the JSON twice per row)
parsed as (
    select
        * replace (
            from_json(
                single,
                '{
                    "value_problem": "VARCHAR",
                    "place_problem": "VARCHAR",
                    "is_repeated": "BOOLEAN",
                    "sales_amount": "DECIMAL(18, 4)",
                    "units": "DECIMAL(18, 4)",
                    "sale": "VARCHAR"
                }'
            ) as single
        ),
        unnest(if(single is null, [0], range(n_rows))) as copy
    from summed
)

select
    -- text
    store_id,
    single.sale as input_row,
    coalesce(
        single.value_problem,
        if(single.is_repeated and copy > 0, 'row repeats another one exactly', null),
        single.place_problem
    ) as reason,

    -- numbers
    product_group,
    if(single is null, n_rows, 1) as n_rows,
    if(single is null, sales_amount, single.sales_amount)::decimal(38, 4) as sales_amount,
    if(single is null, units, single.units)::decimal(38, 4) as units,

    -- dates
    first_sold_on,
    last_sold_on
from parsed
order by store_id, product_group, reason, input_row
