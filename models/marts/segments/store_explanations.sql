-- The few features that weigh most; `feature_pulls` has all of them.
{% set n_shown = 5 %}

-- (the strongest are kept while rows are read; a window would sort them all)
with strongest as (
    select
        lane,
        scope,
        store_id,
        min({
            'weight': -abs(pull),
            'feature': feature,
            'model_id': model_id,
            'pull': pull,
            'pull_share': pull_share,
            'was_imputed': was_imputed
        }, {{ n_shown }}) as pulls
    from {{ ref('feature_pulls') }}
    group by lane, scope, store_id
),

ranked as (
    select
        lane,
        scope,
        store_id,
        unnest(pulls, recursive := true),
        generate_subscripts(pulls, 1) as place
    from strongest
),

described as (
    select
        ranked.*,
        coalesce(cells.label, ranked.feature) as label,
        coalesce(cells.share, cells.raw_value) as value
    from ranked
    inner join {{ ref('feature_usage') }} as usage
        on ranked.lane = usage.lane and ranked.model_id = usage.model_id and ranked.feature = usage.feature
    left join {{ ref('feature_values') }} as cells
        on
            usage.lane = cells.lane
            and usage.scope = cells.scope
            and usage.todays_feature = cells.feature
            and ranked.store_id = cells.store_id
),

-- (a list that is sorted by the place its items begin with takes half the time of two ordered sums)
listed as (
    select
        lane,
        scope,
        store_id,
        list_sort(list({
            'place': place,
            'feature': feature,
            'value': value,
            'pull': pull,
            'pull_share': pull_share,
            'was_imputed': was_imputed,
            'text': format('{} {:+d} %', label, round(100 * pull_share)::integer)
        })) as pulls
    from described
    group by all
),

reasons as (
    select
        lane,
        scope,
        store_id,
        list_transform(pulls, lambda p: {
            'feature': p.feature,
            'value': p.value,
            'pull': p.pull,
            'pull_share': p.pull_share,
            'was_imputed': p.was_imputed
        }) as pulls,
        array_to_string(list_transform(pulls, lambda p: p.text), ', ') as strongest_pulls
    from listed
),

clusters as (
    select
        'internal' as lane,
        *
    from {{ ref('internal_clusters') }}
    union all
    select
        'external' as lane,
        *
    from {{ ref('external_clusters') }}
),

explained as (
    select
        clusters.*,
        coalesce(reasons.pulls, []) as pulls,
        case
            when clusters.cluster is null then 'no usable model'
            when clusters.second_cluster is null then 'the only cluster'
            else format('cluster {} rather than {}', clusters.cluster, clusters.second_cluster)
        end || coalesce(': ' || reasons.strongest_pulls, '') as reason
    from clusters
    left join reasons
        on
            clusters.lane = reasons.lane
            and clusters.scope = reasons.scope
            and clusters.store_id = reasons.store_id
)

select
    -- ids
    segments.category,
    segments.store_id,
    segments.segment_id,

    -- text
    segments.segment_name,
    coalesce(internal.reason, 'no usable model') as internal_reason,
    coalesce(external.reason, 'no external data') as external_reason,

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
    coalesce(internal.pulls, []) as internal_pulls,
    coalesce(external.pulls, []) as external_pulls,
    peers.peers,

    -- booleans
    segments.is_outlier,
    segments.was_reassigned
from {{ ref('store_segments') }} as segments
inner join {{ ref('store_peers') }} as peers
    on segments.category = peers.category and segments.store_id = peers.store_id
left join explained as internal
    on internal.lane = 'internal' and segments.category = internal.scope and segments.store_id = internal.store_id
left join explained as external
    on external.lane = 'external' and segments.store_id = external.store_id
order by segments.category, segments.store_id
