-- A pass over the sales of its own: all other sums know need states and no products. Only sums are divided, so that
-- nothing depends on the order of the rows.
with product_categories as materialized (
    select
        product_id,
        category,
        count(*) as n_own_need_states,
        sum(count(*)) over (partition by product_id) as n_need_states
    from {{ ref('stg_internal__products') }}
    group by product_id, category
),

cells as materialized (
    {% call over_sales({'sales_amount': 'sum'}) -%}
    select
        store_id,
        product_id,
        {{ period_start('sold_on') }} as period_start,
        sum(sales_amount) as sales_amount
    from {{ ref('stg_internal__sales') }}
    where rejection_reason is null
    group by all
    {%- endcall %}
),

stores as materialized (
    select
        merged.category,
        merged.store_id,
        merged.segment_id,
        category_stores.sales_amount as store_sales
    from {{ ref('merged_segments') }} as merged
    inner join {{ ref('int_category_stores') }} as category_stores
        on merged.category = category_stores.category and merged.store_id = category_stores.store_id
),

store_products as materialized (
    select
        cells.store_id,
        cells.product_id,
        product_categories.category,
        product_categories.n_own_need_states,
        product_categories.n_need_states,
        sum(cells.sales_amount) as sales_amount,
        max(cells.sales_amount) > 0 as is_sold
    from cells
    inner join product_categories on cells.product_id = product_categories.product_id
    group by all
),

segment_periods as (
    select
        stores.category,
        stores.segment_id,
        cells.product_id,
        count(distinct cells.period_start) as n_periods_sold
    from cells
    inner join product_categories on cells.product_id = product_categories.product_id
    inner join stores
        on product_categories.category = stores.category and cells.store_id = stores.store_id
    where cells.sales_amount > 0
    group by all
),

segments as (
    select
        category,
        segment_id,
        count(*) as n_stores
    from stores
    group by all
)

select
    -- ids
    stores.category,
    stores.segment_id,
    store_products.product_id,

    -- numbers
    (
        sum(greatest(store_products.sales_amount, 0))
        * any_value(store_products.n_own_need_states)
        / any_value(store_products.n_need_states)
    )::double as sales_amount,
    (sum(stores.store_sales) filter (where store_products.is_sold))::double as sellers_sales,
    count(*) filter (where store_products.is_sold) as n_stores_selling,
    coalesce(any_value(segment_periods.n_periods_sold), 0) as n_periods_sold,
    any_value(segments.n_stores) as n_stores
from store_products
inner join stores
    on store_products.category = stores.category and store_products.store_id = stores.store_id
inner join segments on stores.category = segments.category and stores.segment_id = segments.segment_id
left join segment_periods
    on
        stores.category = segment_periods.category
        and stores.segment_id = segment_periods.segment_id
        and store_products.product_id = segment_periods.product_id
group by stores.category, stores.segment_id, store_products.product_id
