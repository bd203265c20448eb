-- A store that stands in any input, even if only in rows that were rejected, is a row here.
with sales as (
    select
        store_id,
        count(distinct category) as n_categories,
        sum(sales_amount) as sales_amount,
        min(first_sold_on) as first_sold_on,
        max(last_sold_on) as last_sold_on
    from {{ ref('int_sales_by_need_state') }}
    group by all
),

external_sources as (
    select
        store_id,
        list(distinct source order by source) as external_sources
    from {{ ref('int_external_cells') }}
    where cell is not null
    group by all
),

rejected as (
    select
        store_id,
        count(*) as n_rejected_rows
    from {{ ref('int_rejected_rows') }}
    where store_id is not null
    group by all
),

store_ids as (
    select store_id from sales
    union
    select store_id from rejected
    {%- for source_name in external_sources() %}
        union
        select store_id from {{ ref('stg_external__' ~ source_name) }}
    {%- endfor %}
)

select
    -- ids
    store_ids.store_id,

    -- numbers
    coalesce(sales.n_categories, 0) as n_categories,
    coalesce(sales.sales_amount, 0) as sales_amount,
    coalesce(rejected.n_rejected_rows, 0) as n_rejected_rows,
    coalesce(external_sources.external_sources, []) as external_sources,

    -- booleans
    sales.store_id is not null as has_sales,
    external_sources.store_id is not null as has_external,

    -- dates
    sales.first_sold_on,
    sales.last_sold_on
from store_ids
left join sales on store_ids.store_id = sales.store_id
left join external_sources on store_ids.store_id = external_sources.store_id
left join rejected on store_ids.store_id = rejected.store_id
order by store_ids.store_id
