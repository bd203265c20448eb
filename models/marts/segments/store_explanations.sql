select
    -- ids
    segments.category,
    segments.store_id,
    segments.segment_id,

    -- text
    segments.segment_name,
    case
        when not merged.was_reassigned then format('in the segment of its own group {}', merged.cell_id)
        when merged.n_cell_stores = 0
            then format('moved here because its own group {} is new since the segments were formed', merged.cell_id)
        else format(
            'moved here because its own group {} had only {} store{}',
            merged.cell_id,
            merged.n_cell_stores,
            if(merged.n_cell_stores = 1, '', 's')
        )
    end as segment_reason,
    coalesce(internal_reasons.reason, 'no usable model') as internal_reason,
    coalesce(external_reasons.reason, 'no external data') as external_reason,

    -- numbers
    internal.cluster as internal_cluster,
    internal.second_cluster as internal_second_cluster,
    internal.distance as internal_distance,
    internal.margin as internal_margin,
    internal.outlier_score as internal_outlier_score,
    external.cluster as external_cluster,
    external.second_cluster as external_second_cluster,
    external.distance as external_distance,
    external.margin as external_margin,
    external.outlier_score as external_outlier_score,
    coalesce(internal_reasons.pulls, []) as internal_pulls,
    coalesce(external_reasons.pulls, []) as external_pulls,
    peers.peers,

    -- booleans
    segments.is_outlier,
    segments.was_reassigned
from {{ ref('store_segments') }} as segments
inner join {{ ref('merged_segments') }} as merged
    on segments.category = merged.category and segments.store_id = merged.store_id
inner join {{ ref('store_peers') }} as peers
    on segments.category = peers.category and segments.store_id = peers.store_id
left join {{ ref('internal_clusters') }} as internal
    on segments.category = internal.scope and segments.store_id = internal.store_id
left join {{ ref('external_clusters') }} as external
    on segments.store_id = external.store_id
left join {{ ref('int_cluster_reasons') }} as internal_reasons
    on
        internal_reasons.lane = 'internal'
        and internal.scope = internal_reasons.scope
        and internal.store_id = internal_reasons.store_id
left join {{ ref('int_cluster_reasons') }} as external_reasons
    on external_reasons.lane = 'external' and external.store_id = external_reasons.store_id
order by segments.category, segments.store_id
