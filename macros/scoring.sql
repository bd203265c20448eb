{#- Scoring is SQL with the numbers of the fitted model in it: z = A . impute(x) + b, then the
    nearest centroid. The compiled SQL is the model; it can be read, kept and run elsewhere.
    Literals in fixed-size arrays are what DuckDB computes fastest. -#}


{#- One entry per scope of a lane with the model in force as literals of SQL, or none while the models
    do not exist yet (compile and docs on an empty database). `inputs` are the features that the
    model uses, in its order; the `value` of each reads a column `x` of the query `vectors`. -#}
{% macro scoring_literals(lane) -%}
    {%- set models = ref(lane ~ '_cluster_models') -%}
    {%- set usage = ref('int_feature_usage') -%}
    {%- set in_force = ref('int_current_cluster_models') -%}
    {%- set vectors = ref('feat_' ~ lane) -%}
    {%- if not execute or not all_exist([models, usage, in_force]) -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set literals = [] -%}
    {%- for row in run_query(scoring_literals_query(lane, models, usage, in_force)).rows -%}
        {%- set is_other_composition = lane == 'internal' and row['has_other_features'] -%}
        {%- set features = fromjson(row['features']) -%}
        {%- set column_effects = fromjson(row['column_effects'] or '[]') -%}
        {%- set gap_values = fromjson(row['gap_values'] or '[]') -%}
        {%- set inputs = [] -%}
        {%- set read_values = [] -%}
        {%- for feature in features if feature.is_used -%}
            {%- do read_values.append(
                'x[' ~ feature.model_position ~ ']' if is_other_composition
                else conversions('x[' ~ feature.todays_position ~ ']')[feature.conversion]
            ) -%}
            {%- do inputs.append({
                'feature': feature.name,
                'value': 'x[' ~ loop.index ~ ']' if column_effects else read_values[-1],
                'imputed': feature.imputed,
                'center': feature.center,
                'scale': feature.scale,
            }) -%}
        {%- endfor -%}
        {%- set one_scope = 'select * from ' ~ vectors ~ ' where scope = ' ~ sql_text(row['scope']) -%}
        {%- set vectors_of_model = recomposed_vectors(one_scope, features, row['transform'], row['zero_replacement'])
            if is_other_composition else one_scope -%}
        {%- do literals.append({
            'scope': row['scope'],
            'model_id': row['model_id'],
            'vectors': vectors_without_gaps(vectors_of_model, read_values, column_effects, gap_values)
                if column_effects else vectors_of_model,
            'inputs': inputs,
            'weights': fromjson(row['weights']),
            'biases': fromjson(row['biases']),
            'clusters': fromjson(row['clusters']),
            'centers': fromjson(row['centers']),
            'sizes': fromjson(row['sizes']),
            'has_probabilities': row['has_probabilities'],
        }) -%}
    {%- endfor -%}
    {{ return(literals) }}
{%- endmacro %}


{#- Vectors of log-shares with the gaps filled, as `segmentation.features.log_ratios` has it: the row effect is the
    mean of log-share minus column effect over the positive cells of the store; a positive cell keeps what neither
    effect explains, a zero takes the gap value of its column. Without a positive cell nothing is known. -#}
{% macro vectors_without_gaps(vectors, read_values, column_effects, gap_values) -%}
    select
        scope,
        store_id,
        [
            {%- for gap_value in gap_values %}
            if(row_effect is null, null, coalesce(residuals[{{ loop.index }}] - row_effect, {{ gap_value }}))
            {{- ',' if not loop.last }}
            {%- endfor %}
        ]::double[] as x
    from (
        select
            *,
            list_avg(residuals) as row_effect
        from (
            select
                scope,
                store_id,
                [
                    {%- for value in read_values %}
                    {{ value }} - {{ column_effects[loop.index0] }}::double{{ ',' if not loop.last }}
                    {%- endfor %}
                ]::double[] as residuals
            from ({{ vectors }})
        )
    )
{%- endmacro %}


{#- Vectors for a kept model whose category has other need states today: the shares of those that the
    model knows, closed again, a need state that nobody buys any more with 0, then the transform as
    `TRANSFORMS` in `segmentation/features/vectors.py` has it. A store that sells nothing of them has no values. -#}
{% macro recomposed_vectors(one_scope, features, transform, zero_replacement) -%}
    select
        scope,
        store_id,
        {{ ask_package('segmentation_transform', [transform]) }} as x
    from (
        select
            *,
            list_transform(
                shares,
                lambda s: ln((s + {{ zero_replacement }} / {{ features | length }}) / (1 + {{ zero_replacement }}))
            ) as logs
        from (
            select
                scope,
                store_id,
                list_transform(parts, lambda s: s / nullif(list_sum(parts), 0)) as shares
            from (
                select
                    scope,
                    store_id,
                    [
                        {%- for feature in features %}
                        {{ 'shares[' ~ feature.todays_position ~ ']' if feature.todays_position else '0.0' }}{{ ',' if not loop.last }}
                        {%- endfor %}
                    ]::double[] as parts
                from ({{ one_scope }})
            )
        )
    )
{%- endmacro %}


{% macro all_exist(relations) -%}
    {%- for relation in relations -%}
        {%- if adapter.get_relation(relation.database, relation.schema, relation.identifier) is none -%}
            {{ return(false) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(true) }}
{%- endmacro %}


{% macro scoring_literals_query(lane, models, usage, in_force) -%}
    with described as (
        select
            model_id,
            unnest(features) as feature
        from {{ models }}
    ),

    features as (
        select
            usage.model_id,
            list({
                'name': usage.feature,
                'is_used': usage.is_used,
                'model_position': usage.model_position,
                'todays_position': usage.todays_position,
                'conversion': usage.conversion,
                'imputed': described.feature.imputed::varchar,
                'center': described.feature.center::varchar,
                'scale': described.feature.scale::varchar
            } order by usage.model_position) filter (where usage.model_position is not null) as features,
            bool_or(usage.model_position is null or usage.conversion <> 'none') as has_other_features
        from {{ usage }} as usage
        left join described on usage.model_id = described.model_id and usage.feature = described.feature.name
        where usage.lane = '{{ lane }}'
        group by all
    )

    select
        models.scope,
        models.model_id,
        to_json(features.features) as features,
        features.has_other_features,
        {%- for name in ['transform', 'zero_replacement'] %}
        list_filter(models.settings, lambda s: s.name = '{{ name }}')[1].value as {{ name }},
        {%- endfor %}
        to_json(list_transform(models.components, lambda c: c.weights::varchar)) as weights,
        to_json(list_transform(models.components, lambda c: c.bias::varchar)) as biases,
        to_json(list_transform(models.column_effects, lambda v: v::varchar)) as column_effects,
        to_json(list_transform(models.gap_values, lambda v: v::varchar)) as gap_values,
        to_json(list_transform(models.centroids, lambda c: c.cluster::varchar)) as clusters,
        to_json(list_transform(models.centroids, lambda c: c.n_stores::varchar)) as sizes,
        to_json(list_transform(models.centroids, lambda c: c.center::varchar)) as centers,
        coalesce(len(models.criteria), 0) > 0 as has_probabilities
    from {{ models }} as models
    inner join {{ in_force }} as in_force
        on models.model_id = in_force.model_id and in_force.lane = '{{ lane }}'
    inner join features on models.model_id = features.model_id
    order by models.scope
{%- endmacro %}


{% macro components(lane) -%}
    {%- for model in scoring_literals(lane) %}
    select
        scope,
        store_id,
        {{ sql_text(model.model_id) }} as model_id,
        {%- if not model.biases %}
        []::double[] as z
    from ({{ model.vectors }})
        {%- else %}
        [
            {%- for component in range(model.biases | length) %}
            {{ weighted_sum(model, model.weights[component], model.biases[component]) }}{{ ',' if not loop.last }}
            {%- endfor %}
        ]::double[] as z
    from ({{ imputed_vectors(model) | indent(4) }})
        {%- endif %}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        null::varchar as scope,
        null::varchar as store_id,
        null::varchar as model_id,
        []::double[] as z
    where false
    {%- endfor %}
{%- endmacro %}


{% macro imputed_vectors(model) %}
    select
        scope,
        store_id,
        [
            {%- for read in model.inputs %}
            coalesce({{ read.value }}, {{ read.imputed }}){{ ',' if not loop.last }}
            {%- endfor %}
        ]::double[{{ model.inputs | length }}] as v
    from ({{ model.vectors }})
{% endmacro %}


{% macro weighted_sum(model, weights, bias) -%}
    array_inner_product(v, {{ weights }}::double[{{ model.inputs | length }}]) + {{ bias }}::double
{%- endmacro %}


{#- Cluster of every store of a lane straight from the vectors, where nothing but the cluster is asked for.
    The nearest centroid c is the one with the largest z . c - |c|^2 / 2, since |z|^2 is the same for all; and
    as z is affine in the values, so is that: a product per cluster instead of one per component. What the first
    cluster has is taken from all, so that its own is 0. -#}
{% macro nearest_clusters(lane) -%}
    {%- set models = scoring_literals(lane) -%}
    {%- set products = {} -%}
    {%- if models -%}
        {%- for row in run_query(cluster_products_query(ref(lane ~ '_cluster_models'))).rows -%}
            {%- do products.update({row['model_id']: row}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for model in models %}
    {%- set weights = fromjson(products[model.model_id]['weights']) %}
    {%- set biases = fromjson(products[model.model_id]['biases']) %}
    {%- set n_clusters = model.clusters | length %}
    select
        scope,
        store_id,
        {{ sql_text(model.model_id) }} as model_id,
        {%- if n_clusters == 1 %}
        {{ model.clusters[0] }}::integer as cluster
    from ({{ model.vectors }})
        {%- else %}
        case greatest(0{% for place in range(1, n_clusters) %}, product_{{ place }}{% endfor %})
            when 0 then {{ model.clusters[0] }}
            {%- for cluster in model.clusters[1:] %}
            when product_{{ loop.index }} then {{ cluster }}
            {%- endfor %}
        end::integer as cluster
    from (
        select
            scope,
            store_id,
            {%- for place in range(1, n_clusters) %}
            {{ weighted_sum(model, weights[place], biases[place]) }} as product_{{ place }}{{ ',' if not loop.last }}
            {%- endfor %}
        from ({{ imputed_vectors(model) | indent(8) }})
    )
        {%- endif %}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        null::varchar as scope,
        null::varchar as store_id,
        null::varchar as model_id,
        null::integer as cluster
    where false
    {%- endfor %}
{%- endmacro %}


{% macro cluster_products_query(models) -%}
    select
        model_id,
        to_json(list_transform(
            centroids,
            lambda c: list_transform(
                range(1, len(components[1].weights) + 1),
                lambda value: list_sum(list_transform(
                    c.center,
                    lambda z, component: (z - centroids[1].center[component]) * components[component].weights[value]
                ))::varchar
            )
        )) as weights,
        to_json(list_transform(
            centroids,
            lambda c: list_sum(list_transform(
                c.center,
                lambda z, component: (z - centroids[1].center[component])
                * (components[component].bias - (z + centroids[1].center[component]) / 2)
            ))::varchar
        )) as biases
    from {{ models }}
    where status <> 'failed'
{%- endmacro %}


{% macro centroid_distances(lane) -%}
    {%- set components = ref(lane ~ '_components') -%}
    {%- for model in scoring_literals(lane) %}
    select
        scope,
        store_id,
        model_id,
        [{{ model.clusters | join(', ') }}]::integer[] as clusters,
        {{ '[' ~ model.sizes | join(', ') ~ ']' if model.has_probabilities or model.sizes | length == 1 else 'null' }}::double[] as sizes,
        [
            {%- for center in model.centers %}
            {%- if not model.biases %}
            0.0
            {%- else %}
            array_distance(z::double[{{ model.biases | length }}], {{ center }}::double[{{ model.biases | length }}])
            {%- endif %}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ]::double[] as distances
    from {{ components }}
    where scope = {{ sql_text(model.scope) }}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        null::varchar as scope,
        null::varchar as store_id,
        null::varchar as model_id,
        []::integer[] as clusters,
        []::double[] as sizes,
        []::double[] as distances
    where false
    {%- endfor %}
{%- endmacro %}


{% macro lane_clusters(lane) -%}
with distances as (
    {{ centroid_distances(lane) | indent(4) }}
),

outliers as (
    select
        model_id,
        unnest(outlier_store_ids) as store_id
    from {{ ref(lane ~ '_cluster_models') }}
),

nearest as (
    select
        *,
        list_position(distances, list_min(distances)) as place,
        distances[1:place - 1] || ['infinity'::double] || distances[place + 1:] as other_distances,
        if(len(distances) > 1, list_position(other_distances, list_min(other_distances)), null) as second_place
    from distances
),

scored as (
    select
        features.scope,
        features.store_id,
        nearest.model_id,
        nearest.clusters[nearest.place] as cluster,
        nearest.clusters[nearest.second_place] as second_cluster,
        nearest.distances[nearest.place] as distance,
        nearest.distances[nearest.second_place] as second_distance,
        nearest.sizes[nearest.place] / list_sum(
            list_transform(
                list_zip(nearest.sizes, nearest.distances),
                lambda pair: pair[1] * exp((nearest.distances[nearest.place] ** 2 - pair[2] ** 2) / 2)
            )
        ) as assignment_probability,
        outliers.store_id is not null as is_outlier,
        features.is_thin_history
    from {{ ref('feat_' ~ lane) }} as features
    left join nearest on features.scope = nearest.scope and features.store_id = nearest.store_id
    left join outliers on nearest.model_id = outliers.model_id and features.store_id = outliers.store_id
),

typical as (
    select
        scope,
        cluster,
        median(distance) as distance
    from scored
    where not is_thin_history
    group by all
)

select
    -- ids
    scored.scope,
    scored.store_id,
    scored.model_id,

    -- numbers
    scored.cluster,
    scored.second_cluster,
    scored.distance,
    scored.second_distance,
    (scored.second_distance - scored.distance) / nullif(scored.second_distance, 0) as margin,
    scored.assignment_probability,
    scored.distance / nullif(typical.distance, 0) as outlier_score,

    -- booleans
    scored.is_outlier,
    scored.is_thin_history
from scored
left join typical on scored.scope = typical.scope and scored.cluster = typical.cluster
order by scored.scope, scored.store_id
{%- endmacro %}


{% macro scaled_features(lane) -%}
with known_values as (
    {%- for model in scoring_literals(lane) if model.inputs %}
    select
        scope,
        store_id,
        {{ sql_text(model.model_id) }} as model_id,
        unnest([{% for read in model.inputs %}{{ sql_text(read.feature) }}{{ ', ' if not loop.last }}{% endfor %}]) as feature,
        unnest([{{ model.inputs | map(attribute='value') | join(', ') }}]::double[]) as known_value,
        unnest([{{ model.inputs | map(attribute='imputed') | join(', ') }}]::double[]) as imputed,
        unnest([{{ model.inputs | map(attribute='center') | join(', ') }}]::double[]) as center,
        unnest([{{ model.inputs | map(attribute='scale') | join(', ') }}]::double[]) as scale
    from ({{ model.vectors }})
    union all
    {%- endfor %}
    select
        null::varchar as scope,
        null::varchar as store_id,
        null::varchar as model_id,
        null::varchar as feature,
        null::double as known_value,
        null::double as imputed,
        null::double as center,
        null::double as scale
    where false
)

select
    -- ids
    scope,
    store_id,
    feature,
    model_id,

    -- numbers
    coalesce(known_value, imputed) as imputed_value,
    (coalesce(known_value, imputed) - center) / scale as scaled_value,

    -- booleans
    known_value is null as was_imputed
from known_values
{%- endmacro %}


{#- What pulls each store of a lane to its cluster and away from the second nearest, feature by feature. The
    difference of the squared distances, second minus nearest, is a sum over the features: twice the
    difference of both clusters' pull weights in the feature, times the way of the store from the middle
    between their centroids. (Without a metric of their own a pull weight is the deviation of the centroid.)
    (The features are rotated into the components, so the rest that no component sees falls out.) -#}
{% macro feature_pulls(lane) -%}
select
    '{{ lane }}' as lane,
    clusters.scope,
    clusters.store_id,
    scaled.feature,
    clusters.model_id,
    clusters.cluster,
    clusters.second_cluster,
    scaled.imputed_value,
    nearest.transformed_value as cluster_value,
    second_nearest.transformed_value as second_cluster_value,
    2 * (nearest.pull_weight - second_nearest.pull_weight)
    * (scaled.scaled_value - (nearest.scaled_value + second_nearest.scaled_value) / 2) as pull,
    clusters.second_distance ** 2 - clusters.distance ** 2 as total_pull,
    scaled.was_imputed
from {{ ref(lane ~ '_clusters') }} as clusters
inner join {{ ref(lane ~ '_scaled_features') }} as scaled
    on clusters.scope = scaled.scope and clusters.store_id = scaled.store_id
inner join {{ ref('int_centroid_features') }} as nearest
    on
        nearest.lane = '{{ lane }}'
        and clusters.model_id = nearest.model_id
        and clusters.cluster = nearest.cluster
        and scaled.feature = nearest.feature
inner join {{ ref('int_centroid_features') }} as second_nearest
    on
        second_nearest.lane = '{{ lane }}'
        and clusters.model_id = second_nearest.model_id
        and clusters.second_cluster = second_nearest.cluster
        and scaled.feature = second_nearest.feature
{%- endmacro %}
