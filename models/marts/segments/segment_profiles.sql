-- Profiles speak in the unit people know: shares in the internal lane, original values in the
-- external one. How far a segment stands out is measured on the transformed values, where a few
-- extreme stores do not hide the rest.
with flagged as (
    select
        merged.category,
        merged.segment_id,
        merged.store_id,
        coalesce(internal_clusters.is_thin_history, false)
        or coalesce(external_clusters.is_thin_history, false) as is_thin_history
    from {{ ref('merged_segments') }} as merged
    left join {{ ref('internal_clusters') }} as internal_clusters
        on merged.category = internal_clusters.scope and merged.store_id = internal_clusters.store_id
    left join {{ ref('external_clusters') }} as external_clusters
        on merged.store_id = external_clusters.store_id
),

-- stores with too little history to learn from say little about their segment either, unless it
-- has no others; the same goes for the category
members as (
    select
        category,
        segment_id,
        store_id,
        not is_thin_history or bool_and(is_thin_history) over (partition by category) as is_typical
    from flagged
    qualify not is_thin_history or bool_and(is_thin_history) over (partition by category, segment_id)
),

cells as (
    select
        members.category,
        members.segment_id,
        members.store_id,
        members.is_typical,
        feature_values.lane,
        feature_values.feature,
        feature_values.label,
        feature_values.source,
        coalesce(feature_values.share, feature_values.raw_value) as value,
        feature_values.transformed_value
    from members
    inner join {{ ref('feature_values') }} as feature_values
        on
            members.store_id = feature_values.store_id
            and feature_values.scope = if(feature_values.lane = 'internal', members.category, 'external')
),

used_features as (
    select
        decisions.lane,
        decisions.scope,
        decisions.feature
    from {{ ref('feature_decisions') }} as decisions
    inner join {{ ref('current_cluster_models') }} as in_force
        on decisions.lane = in_force.lane and decisions.model_id = in_force.model_id
    where decisions.is_kept
),

overall as (
    select
        category,
        lane,
        feature,
        fsum(value order by store_id) / nullif(count(value), 0) as overall_mean,
        fsum(transformed_value order by store_id) / nullif(count(transformed_value), 0) as transformed_mean,
        count(transformed_value) as n_values
    from cells
    where is_typical
    group by all
),

spread as (
    select
        cells.category,
        cells.lane,
        cells.feature,
        sqrt(
            fsum((cells.transformed_value - overall.transformed_mean) ** 2 order by cells.store_id)
            / nullif(any_value(overall.n_values), 0)
        ) as transformed_sd
    from cells
    inner join overall
        on cells.category = overall.category and cells.lane = overall.lane and cells.feature = overall.feature
    where cells.is_typical
    group by all
),

by_segment as (
    select
        category,
        segment_id,
        lane,
        feature,
        any_value(label) as label,
        any_value(source) as source,
        count(value) as n_stores,
        fsum(value order by store_id) / nullif(count(value), 0) as mean_value,
        median(value) as median_value,
        fsum(transformed_value order by store_id) / nullif(count(transformed_value), 0) as transformed_mean
    from cells
    group by all
)

select
    -- ids
    by_segment.category,
    by_segment.segment_id,
    by_segment.lane,
    by_segment.feature,

    -- text
    by_segment.label,
    by_segment.source,

    -- numbers
    by_segment.n_stores,
    by_segment.mean_value,
    by_segment.median_value,
    overall.overall_mean,
    round(
        coalesce((by_segment.transformed_mean - overall.transformed_mean) / nullif(spread.transformed_sd, 0), 0),
        9
    ) as difference_in_sd,

    -- booleans
    used_features.feature is not null as is_used
from by_segment
inner join overall
    on
        by_segment.category = overall.category
        and by_segment.lane = overall.lane
        and by_segment.feature = overall.feature
inner join spread
    on
        by_segment.category = spread.category
        and by_segment.lane = spread.lane
        and by_segment.feature = spread.feature
left join used_features
    on
        by_segment.lane = used_features.lane
        and by_segment.feature = used_features.feature
        and used_features.scope = if(by_segment.lane = 'internal', by_segment.category, 'external')
order by by_segment.category, by_segment.segment_id, by_segment.lane, by_segment.feature
