with sells as (
    select distinct
        category,
        store_id
    from {{ ref('int_sales_by_need_state') }}
    {%- if not has_input('sales') %}
        union all
        select
            'All stores' as category,
            store_id
        from {{ ref('feat_external') }}
    {%- endif %}
),

segmented as (
    select
        category,
        store_id,
        count(*) as n_rows
    from {{ ref('int_store_segments') }}
    group by all
),

wrong_pairs as (
    select
        coalesce(sells.category, segmented.category) as category,
        coalesce(sells.store_id, segmented.store_id) as store_id,
        case
            when segmented.store_id is null then 'sells in the category and has no segment'
            when sells.store_id is null then 'has a segment and does not sell in the category'
            else 'has several segments'
        end as problem
    from sells
    full outer join segmented
        on sells.category = segmented.category and sells.store_id = segmented.store_id
    where segmented.n_rows is distinct from 1 or sells.store_id is null
),

stores_without as (
    select
        null as category,
        stores.store_id,
        'has sales and no segment at all' as problem
    from {{ ref('dim_stores') }} as stores
    left join segmented on stores.store_id = segmented.store_id
    where stores.has_sales and segmented.store_id is null
)

select * from wrong_pairs
union all
select * from stores_without
