with merged as (
    select * from {{ ref('merged_segments') }}
),

internal_clusters as (
    select * from {{ ref('internal_clusters') }}
),

external_clusters as (
    select * from {{ ref('external_clusters') }}
)
{%- if not flags.EMPTY %}
    ,

    -- The history and the published file keep the last segments if there are none now.
    no_segments as (
        select
            error(
                'no store has a segment: no category and no external input has a usable model;'
                || ' governance.model_registry gives the reason for each.'
                || ' Nothing was published and the history is unchanged'
            )::varchar as store_id
        where
            not exists (
                select 1
                from merged
                where internal_cluster is not null or external_cluster is not null
            )
    )
{%- endif %}

select
    -- ids
    merged.store_id,
    merged.category,
    merged.segment_id,
    merged.second_segment_id,
    internal_clusters.model_id as internal_model_id,
    external_clusters.model_id as external_model_id,

    -- text
    segment_names.segment_name,
    merged.cell_id,

    -- numbers
    merged.internal_cluster,
    merged.external_cluster,
    least(internal_clusters.margin, external_clusters.margin) as margin,
    -- a lane that does not know the store does not count; one that gives no probability leaves it unknown
    if(merged.internal_cluster is null, 1, internal_clusters.assignment_probability)
    * if(merged.external_cluster is null, 1, external_clusters.assignment_probability)
    * if(merged.internal_cluster is null and merged.external_cluster is null, null, 1) as assignment_probability,
    internal_clusters.distance as internal_distance,
    external_clusters.distance as external_distance,

    -- booleans
    merged.was_reassigned,
    coalesce(internal_clusters.is_outlier, false) or coalesce(external_clusters.is_outlier, false) as is_outlier,
    coalesce(internal_clusters.is_thin_history, false)
    or coalesce(external_clusters.is_thin_history, false) as is_thin_history,
    merged.internal_cluster is not null as has_internal,
    merged.external_cluster is not null as has_external
from merged
inner join {{ ref('int_segment_names') }} as segment_names
    on merged.category = segment_names.category and merged.segment_id = segment_names.segment_id
left join internal_clusters
    on merged.category = internal_clusters.scope and merged.store_id = internal_clusters.store_id
left join external_clusters on merged.store_id = external_clusters.store_id
{%- if not flags.EMPTY %}
    union all by name
    select store_id
    from no_segments
{%- endif %}
order by category, store_id
