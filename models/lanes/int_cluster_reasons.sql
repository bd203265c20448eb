-- Only the features with the largest pulls are listed; `int_feature_pulls` has all of them.
{% set n_shown = 5 %}

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
    from {{ ref('int_feature_pulls') }}
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
    inner join {{ ref('int_feature_usage') }} as usage
        on ranked.lane = usage.lane and ranked.model_id = usage.model_id and ranked.feature = usage.feature
    left join {{ ref('feature_values') }} as cells
        on
            usage.lane = cells.lane
            and usage.scope = cells.scope
            and usage.todays_feature = cells.feature
            and ranked.store_id = cells.store_id
),

-- `place` comes first in each item, so that sorting the list puts the largest pull first
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
)

select
    -- ids
    clusters.lane,
    clusters.scope,
    clusters.store_id,

    -- text
    case
        when clusters.cluster is null then 'no usable model'
        when clusters.second_cluster is null then 'the only cluster'
        else format('cluster {} rather than {}', clusters.cluster, clusters.second_cluster)
    end || coalesce(': ' || reasons.strongest_pulls, '') as reason,

    -- lists
    coalesce(reasons.pulls, []) as pulls
from clusters
left join reasons
    on
        clusters.lane = reasons.lane
        and clusters.scope = reasons.scope
        and clusters.store_id = reasons.store_id
order by clusters.lane, clusters.scope, clusters.store_id
