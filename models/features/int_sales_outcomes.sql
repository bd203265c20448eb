-- Rows without a problem are only summed. What has one, or may repeat another row, is looked at row by row; further
-- copies are taken off the sums again. Money is summed as DECIMAL, which is exact in any order.
with sums as (
    select
        sales_stores.store_number,
        sales_products.product_group,
        sum({{ as_amount('sales_amount') | indent(8) }}) as sales_amount,
        sum(try_cast(units as decimal(18, 4))) as units,
        count(*) as n_rows,
        min({{ as_date('sold_on') | indent(8) }}) as first_sold_on,
        max({{ as_date('sold_on') | indent(8) }}) as last_sold_on
    from {{ ref('stg_internal__sales_rows') }} as _input
    left join {{ ref('stg_internal__sales_stores') }} as sales_stores on _input.store_id = sales_stores.given_id
    left join {{ ref('stg_internal__sales_products') }} as sales_products on _input.product_id = sales_products.given_id
    where {{ has_sound_values() | indent(4) }}
    group by all
),

stores as (
    select distinct
        store_number,
        store_id
    from {{ ref('stg_internal__sales_stores') }}
),

typed as (
    {{ typed_sales('(' ~ sales_to_look_at() ~ ')') | indent(4) }}
),

different as (
    select
        store_id,
        product_group,
        sales_amount,
        units,
        sold_on,
        {{ sale_as_json() | indent(8) }} as input_row,
        {{ value_problem() | indent(8) }} as value_problem,
        {{ place_problem() | indent(8) }} as place_problem,
        _is_repeated,
        count(*) as n_copies
    from typed
    group by all
),

looked_at as materialized (
    select
        * exclude (n_copies),
        unnest(range(n_copies)) > 0 and _is_repeated and value_problem is null as is_further_copy
    from different
),

taken_off as (
    select
        store_id,
        product_group,
        sum(sales_amount) as sales_amount,
        sum(units) as units,
        count(*) as n_rows
    from looked_at
    where is_further_copy and place_problem is null
    group by all
),

-- Rows that are summed under no store or group, less those of them that are looked at: none is left, unless an id came
-- in after the ids were tidied.
unplaced as (
    select n_rows
    from sums
    where store_number is null or product_group is null
    union all
    select -1 as n_rows
    from looked_at
    where
        sales_amount > 0
        and (store_id is null or product_group is null)
        and coalesce(place_problem = '{{ unknown_product() }}', true)
),

outcomes as (
    select
        stores.store_id,
        null as input_row,
        null as reason,
        sums.product_group,
        sums.n_rows - coalesce(taken_off.n_rows, 0) as n_rows,
        sums.sales_amount - coalesce(taken_off.sales_amount, 0) as sales_amount,
        sums.units - coalesce(taken_off.units, 0) as units,
        sums.first_sold_on,
        sums.last_sold_on
    from sums
    inner join stores on sums.store_number = stores.store_number
    left join taken_off on stores.store_id = taken_off.store_id and sums.product_group = taken_off.product_group
    -- (`n_rows`, never 0, keeps DuckDB from asking for the group before it sums, which takes a fifth more)
    where sums.product_group is not null or sums.n_rows = 0
    union all
    select
        store_id,
        input_row,
        coalesce(value_problem, if(is_further_copy, 'row repeats another one exactly', place_problem)) as reason,
        product_group,
        1 as n_rows,
        sales_amount,
        units,
        sold_on as first_sold_on,
        sold_on as last_sold_on
    from looked_at
    where value_problem is not null or is_further_copy or place_problem is not null
)

select
    -- text
    store_id,
    input_row,
    reason,

    -- numbers
    product_group,
    n_rows,
    sales_amount::decimal(38, 4) as sales_amount,
    units::decimal(38, 4) as units,

    -- dates
    first_sold_on,
    last_sold_on
from outcomes
where if((select coalesce(sum(n_rows), 0) = 0 from unplaced), true, error({{ sql_text(sales_have_changed()) }}))
order by store_id, product_group, reason, input_row
