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
        dense_rank() over (order by store_id)::integer as store_place,
        not is_thin_history or bool_and(is_thin_history) over (partition by category) as is_typical
    from flagged
    qualify not is_thin_history or bool_and(is_thin_history) over (partition by category, segment_id)
),

cells as (
    select
        members.category,
        members.segment_id,
        members.store_place,
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
        lane,
        scope,
        feature
    from {{ ref('int_feature_usage') }}
    where is_used
),

overall as (
    select
        category,
        lane,
        feature,
        fsum(value order by store_place) / nullif(count(value), 0) as overall_mean,
        median(value) as overall_median,
        fsum(transformed_value order by store_place) / nullif(count(transformed_value), 0) as transformed_mean
    from cells
    where is_typical
    group by all
),

compared as (
    select
        cells.*,
        overall.overall_mean,
        overall.overall_median,
        overall.transformed_mean as overall_transformed_mean
    from cells
    inner join overall
        on cells.category = overall.category and cells.lane = overall.lane and cells.feature = overall.feature
),

spread as (
    select
        category,
        lane,
        feature,
        -- a mean is rounded: equal values may differ from their mean in the last bit
        if(
            min(transformed_value) = max(transformed_value),
            0,
            fsum((transformed_value - overall_transformed_mean) ** 2 order by store_place)
        ) as sum_of_squares,
        sqrt(sum_of_squares / nullif(count(transformed_value), 0)) as transformed_sd
    from compared
    where is_typical
    group by all
),

by_segment as (
    select
        category,
        segment_id,
        lane,
        feature,
        overall_mean,
        overall_median,
        overall_transformed_mean,
        any_value(label) as label,
        any_value(source) as source,
        count(value) as n_stores,
        fsum(value order by store_place) / nullif(count(value), 0) as mean_value,
        median(value) as median_value,
        count(value) filter (where value > overall_median) / nullif(count(value), 0) as share_above_median,
        fsum(transformed_value order by store_place) / nullif(count(transformed_value), 0) as transformed_mean,
        count(transformed_value) filter (where is_typical) as n_typical
    from compared
    group by all
),

-- the share of the variance that lies between the segments, eta squared (Cohen 1988, section 8.2)
between_segments as (
    select
        category,
        lane,
        feature,
        fsum(n_typical * (transformed_mean - overall_transformed_mean) ** 2 order by segment_id) as sum_of_squares
    from by_segment
    where n_typical > 0
    group by all
),

differences as (
    select
        by_segment.*,
        round(
            coalesce(
                (by_segment.transformed_mean - by_segment.overall_transformed_mean)
                / nullif(spread.transformed_sd, 0),
                0
            ),
            9
        ) as difference_in_sd,
        round(
            if(
                spread.sum_of_squares > 0,
                -- (`least` ignores NULL)
                least(coalesce(between_segments.sum_of_squares, 0) / spread.sum_of_squares, 1),
                0
            ),
            9
        ) as effect_size
    from by_segment
    inner join spread
        on
            by_segment.category = spread.category
            and by_segment.lane = spread.lane
            and by_segment.feature = spread.feature
    left join between_segments
        on
            by_segment.category = between_segments.category
            and by_segment.lane = between_segments.lane
            and by_segment.feature = between_segments.feature
)

select
    -- ids
    differences.category,
    differences.segment_id,
    differences.lane,
    differences.feature,

    -- text
    differences.label,
    differences.source,

    -- numbers
    differences.n_stores,
    differences.mean_value,
    differences.median_value,
    differences.overall_mean,
    differences.overall_median,
    differences.mean_value / nullif(differences.overall_mean, 0) as ratio,
    differences.share_above_median,
    differences.difference_in_sd,
    row_number() over (
        partition by differences.category, differences.segment_id, differences.lane
        order by abs(differences.difference_in_sd) desc, differences.feature asc
    ) as rank,
    differences.effect_size,

    -- booleans
    used_features.feature is not null as is_used
from differences
left join used_features
    on
        differences.lane = used_features.lane
        and differences.feature = used_features.feature
        and used_features.scope = if(differences.lane = 'internal', differences.category, 'external')
order by differences.category, differences.segment_id, differences.lane, differences.feature
