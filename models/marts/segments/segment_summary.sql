with stores as (
    select
        store_segments.category,
        store_segments.segment_id,
        store_segments.segment_name,
        store_segments.cell_id,
        store_segments.was_reassigned,
        store_segments.is_outlier,
        store_segments.is_thin_history,
        features.sales_amount::decimal(38, 4) as sales_amount
    from {{ ref('store_segments') }} as store_segments
    inner join {{ ref('feat_internal') }} as features
        on store_segments.category = features.scope and store_segments.store_id = features.store_id
),

segments as (
    select
        category,
        segment_id,
        any_value(segment_name) as segment_name,
        count(*) as n_stores,
        count(distinct cell_id) as n_cells,
        count(*) filter (where was_reassigned) as n_reassigned,
        count(*) filter (where is_outlier) as n_outliers,
        count(*) filter (where is_thin_history) as n_thin,
        sum(sales_amount) as sales_amount
    from stores
    group by all
)

select
    -- ids
    category,
    segment_id,

    -- text
    segment_name,

    -- numbers
    n_stores,
    n_stores / sum(n_stores) over (partition by category) as share_of_stores,
    sales_amount,
    sales_amount / n_stores as sales_per_store,
    sales_amount / sum(sales_amount) over (partition by category) as share_of_sales,
    n_cells,
    n_reassigned,
    n_outliers,
    n_thin
from segments
order by category, segment_id
