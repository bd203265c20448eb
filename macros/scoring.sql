{#- Scoring is SQL with the numbers of the fitted model in it: z = A . impute(x) + b, then the
    nearest centroid. The compiled SQL is the model; it can be read, kept and run elsewhere.
    Literals in fixed-size arrays are what DuckDB computes fastest. -#}


{#- One row per scope of a lane with the model in force as literals of SQL, or no row while the
    models do not exist yet (compile and docs on an empty database). -#}
{% macro scoring_literals(lane) -%}
    {%- set models = ref(lane ~ '_cluster_models') -%}
    {%- set in_force = ref('current_cluster_models') -%}
    {%- set positions = ref('scope_features') -%}
    {%- if not execute or not all_exist([models, in_force, positions]) -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set literals = [] -%}
    {%- for row in run_query(adapter.dispatch('scoring_literals_query')(lane, models, in_force, positions)).rows -%}
        {%- do literals.append({
            'scope': row['scope'],
            'model_id': row['model_id'],
            'n_features': row['n_features'],
            'inputs': fromjson(row['inputs']),
            'weights': fromjson(row['weights']),
            'biases': fromjson(row['biases']),
            'clusters': fromjson(row['clusters']),
            'centers': fromjson(row['centers']),
        }) -%}
    {%- endfor -%}
    {{ return(literals) }}
{%- endmacro %}


{% macro all_exist(relations) -%}
    {%- for relation in relations -%}
        {%- if adapter.get_relation(relation.database, relation.schema, relation.identifier) is none -%}
            {{ return(false) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(true) }}
{%- endmacro %}


{% macro duckdb__scoring_literals_query(lane, models, in_force, positions) -%}
    with feature_lists as (
        select
            scope,
            list(feature order by position) as names
        from {{ positions }}
        where lane = '{{ lane }}'
        group by all
    ),

    models as (
        select
            models.scope,
            models.model_id,
            list_filter(models.features, lambda f: f.kept) as kept,
            models.components,
            models.centroids,
            coalesce(feature_lists.names, []) as names
        from {{ models }} as models
        inner join {{ in_force }} as in_force
            on models.model_id = in_force.model_id and in_force.lane = '{{ lane }}'
        left join feature_lists on models.scope = feature_lists.scope
    )

    select
        scope,
        model_id,
        len(kept) as n_features,
        to_json(list_transform(
            kept,
            lambda f: case
                when list_position(names, f.name) is null then f.imputed::varchar
                else 'coalesce(x[' || list_position(names, f.name) || '], ' || f.imputed || ')'
            end
        )) as inputs,
        to_json(list_transform(components, lambda c: c.weights::varchar)) as weights,
        to_json(list_transform(components, lambda c: c.bias::varchar)) as biases,
        to_json(list_transform(centroids, lambda c: c.cluster::varchar)) as clusters,
        to_json(list_transform(centroids, lambda c: c.center::varchar)) as centers
    from models
    order by scope
{%- endmacro %}


{#- Component scores of every store of a lane; a scope without a model gives no row. -#}
{% macro components(lane) -%}
    {{ return(adapter.dispatch('components')(lane)) }}
{%- endmacro %}


{% macro duckdb__components(lane) -%}
    {%- set features = ref('feat_' ~ lane) -%}
    {%- for model in scoring_literals(lane) %}
    select
        scope,
        store_id,
        {{ sql_text(model.model_id) }} as model_id,
        {%- if not model.biases %}
        []::double[] as z
    from {{ features }}
    where scope = {{ sql_text(model.scope) }}
        {%- else %}
        [
            {%- for component in range(model.biases | length) %}
            array_inner_product(v, {{ model.weights[component] }}::double[{{ model.n_features }}]) + {{ model.biases[component] }}::double
            {{- ',' if not loop.last }}
            {%- endfor %}
        ]::double[] as z
    from (
        select
            scope,
            store_id,
            [
                {%- for value in model.inputs %}
                {{ value }}{{ ',' if not loop.last }}
                {%- endfor %}
            ]::double[{{ model.n_features }}] as v
        from {{ features }}
        where scope = {{ sql_text(model.scope) }}
    )
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


{#- Distance of every store of a lane to every centroid, in the order of the centroids. -#}
{% macro centroid_distances(lane) -%}
    {{ return(adapter.dispatch('centroid_distances')(lane)) }}
{%- endmacro %}


{% macro duckdb__centroid_distances(lane) -%}
    {%- set components = ref(lane ~ '_components') -%}
    {%- for model in scoring_literals(lane) %}
    select
        scope,
        store_id,
        model_id,
        [{{ model.clusters | join(', ') }}]::integer[] as clusters,
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
        []::double[] as distances
    where false
    {%- endfor %}
{%- endmacro %}


{#- Sales below which a store is thin, per scope of a lane; no row while there are no features yet. -#}
{% macro training_thresholds(lane) -%}
    {%- set features = ref('feat_' ~ lane) -%}
    {%- if not execute or not all_exist([features]) -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set query -%}
        select
            scope,
            segmentation_setting(
                {{ given_settings() }}, '{{ lane }}', scope, 'min_training_sales'
            )
        from (select distinct scope from {{ features }})
        order by scope
    {%- endset -%}
    {{ return(run_query(query).rows) }}
{%- endmacro %}


{#- Cluster of every store of a lane: nearest centroid, how clear that is, and what to know of the
    store. A store of a scope without a model keeps its row, with nulls. -#}
{% macro lane_clusters(lane) -%}
with distances as (
    {{ centroid_distances(lane) | indent(4) }}
),

scopes (scope, min_training_sales) as (
    {%- for row in training_thresholds(lane) %}
        select
            {{ sql_text(row[0]) }},
            {{ row[1] }}::double
        union all
    {%- endfor %}
    select
        null::varchar,
        null::double
    where false
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
        list_sort(distances)[2] as second_distance
    from distances
)

select
    -- ids
    features.scope,
    features.store_id,
    nearest.model_id,

    -- numbers
    nearest.clusters[nearest.place] as cluster,
    nearest.distances[nearest.place] as distance,
    nearest.second_distance,
    (nearest.second_distance - nearest.distances[nearest.place])
    / nullif(nearest.second_distance, 0) as margin,

    -- booleans
    outliers.store_id is not null as is_outlier,
    coalesce(features.sales_amount, 0) < coalesce(scopes.min_training_sales, 0) as is_thin_history
from {{ ref('feat_' ~ lane) }} as features
left join nearest on features.scope = nearest.scope and features.store_id = nearest.store_id
left join scopes on features.scope = scopes.scope
left join outliers on nearest.model_id = outliers.model_id and features.store_id = outliers.store_id
order by features.scope, features.store_id
{%- endmacro %}


{#- Every kept feature of every store of a lane as the components see it, for people and audits. -#}
{% macro scaled_features(lane) -%}
with kept_features as (
    select
        models.model_id,
        models.scope,
        unnest(list_filter(models.features, lambda f: f.kept)) as feature
    from {{ ref(lane ~ '_cluster_models') }} as models
    inner join {{ ref('current_cluster_models') }} as in_force
        on models.model_id = in_force.model_id and in_force.lane = '{{ lane }}'
),

stores as (
    select
        scope,
        store_id
    from {{ ref('feat_' ~ lane) }}
),

imputed as (
    select
        kept_features.scope,
        stores.store_id,
        kept_features.feature.name as feature,
        kept_features.model_id,
        cells.transformed_value,
        coalesce(cells.transformed_value, kept_features.feature.imputed) as imputed_value,
        kept_features.feature.center as center,
        kept_features.feature.scale as scale
    from kept_features
    inner join stores on kept_features.scope = stores.scope
    left join {{ ref('feature_values') }} as cells
        on
            kept_features.scope = cells.scope
            and stores.store_id = cells.store_id
            and kept_features.feature.name = cells.feature
            and cells.lane = '{{ lane }}'
)

select
    -- ids
    scope,
    store_id,
    feature,
    model_id,

    -- numbers
    imputed_value,
    (imputed_value - center) / scale as scaled_value,

    -- booleans
    transformed_value is null as was_imputed
from imputed
{%- endmacro %}
