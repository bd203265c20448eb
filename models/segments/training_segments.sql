-- Segments have no model of their own: the baseline is their sizes when the map of today's two models was filled.
with categories as (
    select distinct
        category,
        trim(
            segmentation_setting({{ given_settings() }}, 'internal', category, 'min_segment_size'), '"'
        ) as size_rule
    from {{ ref('merged_segments') }}
),

in_force as (
    select * from {{ ref('int_current_cluster_models') }}
)

select
    -- ids
    segment_map.category,
    segment_map.segment_id,
    segment_map.map_id,

    -- numbers
    segment_map.n_segment_stores as n_stores,
    segment_map.min_segment_size
from {{ ref('segment_map') }} as segment_map
inner join categories
    on segment_map.category = categories.category and segment_map.size_rule = categories.size_rule
left join in_force as internal on internal.lane = 'internal' and segment_map.category = internal.scope
left join in_force as external on external.lane = 'external'
where
    segment_map.segment_id is not null
    and segment_map.internal_model_id = coalesce(internal.model_id, 'none')
    and segment_map.external_model_id = coalesce(external.model_id, 'none')
order by segment_map.category, segment_map.segment_id
