-- The minimum may differ per category; the package resolves it, as everywhere.
with segments as (
    select
        category,
        segment_id,
        count(*) as n_stores,
        count(*) over (partition by category) as n_segments
    from {{ ref('int_store_segments') }}
    group by category, segment_id
),

minimums as (
    select
        category,
        segmentation_setting(
            {{ given_settings() }}, 'internal', category, 'min_segment_size'
        )::integer as min_segment_size
    from (select distinct category from segments) as categories
)

select
    segments.category,
    segments.segment_id,
    segments.n_stores,
    minimums.min_segment_size
from segments
inner join minimums on segments.category = minimums.category
where segments.n_segments > 1 and segments.n_stores < minimums.min_segment_size
