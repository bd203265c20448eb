-- Training counts come from the model's own row; today's stores are counted in the same bins. Stores that
-- a model would not learn from do not count, on either side.
with all_models as (
    {{ all_cluster_models() | indent(4) }}
),

models as (
    select all_models.*
    from all_models
    inner join {{ ref('int_current_cluster_models') }} as in_force
        on all_models.lane = in_force.lane and all_models.model_id = in_force.model_id
),

clusters as (
    select
        'internal' as lane,
        scope,
        store_id,
        cluster,
        is_outlier,
        is_thin_history
    from {{ ref('internal_clusters') }}
    union all
    select
        'external' as lane,
        scope,
        store_id,
        cluster,
        is_outlier,
        is_thin_history
    from {{ ref('external_clusters') }}
),

distributions as (
    select
        lane,
        scope,
        unnest(list_transform(list_filter(features, lambda f: f.kept), lambda f: f.name)) as feature,
        unnest(distributions) as distribution
    from models
),

-- bin 0 is for missing values
feature_bins as (
    select
        lane,
        scope,
        feature,
        unnest(range(0, len(distribution.counts) + 1)) as bin,
        unnest([distribution.n_missing] || distribution.counts) as n_training,
        distribution.edges
    from distributions
),

todays_values as (
    select
        'internal' as lane,
        *
    from {{ ref('internal_scaled_features') }}
    union all
    select
        'external' as lane,
        *
    from {{ ref('external_scaled_features') }}
),

todays_bins as (
    select
        distributions.lane,
        distributions.scope,
        distributions.feature,
        case
            when todays_values.was_imputed then 0
            else 1 + len(list_filter(distributions.distribution.edges, lambda e: e < todays_values.imputed_value))
        end as bin,
        count(*) as n_today
    from distributions
    inner join todays_values
        on
            distributions.lane = todays_values.lane
            and distributions.scope = todays_values.scope
            and distributions.feature = todays_values.feature
    inner join clusters
        on
            todays_values.lane = clusters.lane
            and todays_values.scope = clusters.scope
            and todays_values.store_id = clusters.store_id
    where not clusters.is_thin_history
    group by all
),

feature_counts as (
    select
        feature_bins.lane,
        feature_bins.scope,
        'feature' as subject,
        feature_bins.feature,
        format('{:02d}', feature_bins.bin) as bin,
        case
            when feature_bins.bin = 0 then 'missing'
            else
                coalesce('above ' || round(feature_bins.edges[feature_bins.bin - 1], 4), '')
                || coalesce(' up to ' || round(feature_bins.edges[feature_bins.bin], 4), '')
        end as bin_label,
        feature_bins.n_training,
        coalesce(todays_bins.n_today, 0) as n_today
    from feature_bins
    left join todays_bins
        on
            feature_bins.lane = todays_bins.lane
            and feature_bins.scope = todays_bins.scope
            and feature_bins.feature = todays_bins.feature
            and feature_bins.bin = todays_bins.bin
),

training_clusters as (
    select
        lane,
        scope,
        unnest(centroids) as centroid
    from models
),

todays_clusters as (
    select
        lane,
        scope,
        cluster,
        count(*) as n_today
    from clusters
    where not is_thin_history and not is_outlier
    group by all
),

cluster_counts as (
    select
        training.lane,
        training.scope,
        'cluster sizes' as subject,
        null as feature,
        training.centroid.cluster::varchar as bin,
        'cluster ' || training.centroid.cluster as bin_label,
        training.centroid.n_stores as n_training,
        coalesce(today.n_today, 0) as n_today
    from training_clusters as training
    left join todays_clusters as today
        on
            training.lane = today.lane
            and training.scope = today.scope
            and training.centroid.cluster = today.cluster
),

todays_segments as (
    select
        category,
        segment_id,
        count(*) as n_today
    from {{ ref('int_store_segments') }}
    group by all
),

segment_counts as (
    select
        'merged' as lane,
        coalesce(training.category, today.category) as scope,
        'segment sizes' as subject,
        null as feature,
        coalesce(training.segment_id, today.segment_id) as bin,
        'segment ' || coalesce(training.segment_id, today.segment_id) as bin_label,
        coalesce(training.n_stores, 0) as n_training,
        coalesce(today.n_today, 0) as n_today
    from {{ ref('training_segments') }} as training
    full outer join todays_segments as today
        on training.category = today.category and training.segment_id = today.segment_id
),

counts as (
    select * from feature_counts
    union all
    select * from cluster_counts
    union all
    select * from segment_counts
)

select
    -- ids
    lane,
    scope,
    subject,
    feature,
    bin,

    -- text
    trim(bin_label) as bin_label,

    -- numbers
    n_training::bigint as n_training,
    n_today::bigint as n_today
from counts
order by lane, scope, subject, feature, bin
