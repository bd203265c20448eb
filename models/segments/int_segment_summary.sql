-- How many stores are named as the most and the least typical.
{% set n_stores_named = 3 %}
{% set currency = setting('currency') %}

with stores as (
    select
        store_segments.category,
        store_segments.store_id,
        store_segments.segment_id,
        store_segments.segment_name,
        store_segments.cell_id,
        store_segments.was_reassigned,
        store_segments.is_outlier,
        store_segments.is_thin_history,
        category_stores.sales_amount
    from {{ ref('int_store_segments') }} as store_segments
    inner join {{ ref('int_category_stores') }} as category_stores
        on
            store_segments.category = category_stores.category
            and store_segments.store_id = category_stores.store_id
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
),

fits as (
    select
        cohesion.scope as category,
        cohesion.label as segment_id,
        cohesion.store_id,
        cohesion.silhouette,
        cohesion.distance,
        cohesion.next_label,
        stores.is_thin_history
    from {{ ref('store_cohesion') }} as cohesion
    inner join stores
        on cohesion.scope = stores.category and cohesion.store_id = stores.store_id
    where cohesion.lane = 'merged'
),

cohesion as (
    select
        category,
        segment_id,
        fsum(silhouette order by store_id) / nullif(count(silhouette), 0) as cohesion,
        -- stores with too little history are typical or not by chance
        list(
            store_id
            order by is_thin_history, distance, store_id
        )[:{{ n_stores_named }}] as most_typical_stores,
        list(
            store_id
            order by is_thin_history asc, distance desc, store_id asc
        )[:{{ n_stores_named }}] as least_typical_stores
    from fits
    group by all
),

neighbours as (
    -- the most frequent one; `mode` would settle a tie by the order of the rows
    select
        category,
        segment_id,
        next_label as closest_segment_id
    from fits
    where next_label is not null
    group by category, segment_id, next_label
    qualify row_number() over (partition by category, segment_id order by count(*) desc, next_label asc) = 1
),

compared as (
    select
        *,
        sum(n_stores) over (partition by category) as n_category_stores,
        n_stores / n_category_stores as share_of_stores,
        sales_amount / n_stores as sales_per_store,
        sales_amount / sum(sales_amount) over (partition by category) as share_of_sales
    from segments
),

-- cells whose stores the segment received, largest first
received as (
    select
        category,
        into_segment_id as segment_id,
        sum(n_stores) as n_stores,
        string_agg(format('{} from {}', n_stores, from_cell), ', ' order by n_stores desc, from_cell asc) as cells
    from {{ ref('int_segment_moves') }}
    group by all
)

select
    -- ids
    compared.category,
    compared.segment_id,
    neighbours.closest_segment_id,

    -- text
    compared.segment_name,
    format(
        '{} of {} stores{}. {}',
        compared.n_stores,
        compared.n_category_stores,
        -- segments of the external lane alone have no sales
        coalesce(
            ', with ' || {{ readable_percent('compared.share_of_sales') }} || ' of ' || compared.category || ' sales'
            {%- if currency %}
                || ' (' || {{ readable_money('compared.sales_per_store', currency) }} || ' per store)'
            {%- endif %},
            ''
        ),
        concat_ws(' ', wording.sells, wording.stands)
    ) as description,
    format(
        '{} of its stores {} from groups of fewer than {} stores: {}',
        received.n_stores,
        if(received.n_stores = 1, 'comes', 'come'),
        training.min_segment_size,
        received.cells
    ) as merged_because,

    -- numbers
    compared.n_stores,
    compared.share_of_stores,
    compared.sales_amount,
    compared.sales_per_store,
    compared.share_of_sales,
    cohesion.cohesion,
    compared.n_cells,
    compared.n_reassigned,
    compared.n_outliers,
    compared.n_thin,

    -- lists
    cohesion.most_typical_stores,
    cohesion.least_typical_stores
from compared
inner join cohesion on compared.category = cohesion.category and compared.segment_id = cohesion.segment_id
left join neighbours on compared.category = neighbours.category and compared.segment_id = neighbours.segment_id
left join received on compared.category = received.category and compared.segment_id = received.segment_id
left join {{ ref('training_segments') }} as training
    on compared.category = training.category and compared.segment_id = training.segment_id
inner join {{ ref('segment_wording') }} as wording
    on compared.category = wording.category and compared.segment_id = wording.segment_id
order by compared.category, compared.segment_id
