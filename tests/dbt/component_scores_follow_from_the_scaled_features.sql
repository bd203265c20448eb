-- The vectors that score a store and the long form that explains it are two ways of computing; they
-- must agree. Of each scope the first thousand stores, in the order of a hash, are computed again.
{% set stores_per_scope = 1000 %}
{% set tolerance = 1e-9 %}

{% for lane in ['internal', 'external'] %}
    (
        with sampled as (
            select
                scope,
                store_id,
                model_id,
                z
            from {{ ref(lane ~ '_components') }}
            qualify row_number() over (partition by scope order by md5(store_id)) <= {{ stores_per_scope }}
        ),

        components as (
            select
                model_id,
                list_transform(list_filter(features, lambda f: f.kept), lambda f: f.name) as names,
                unnest(components) as component
            from {{ ref(lane ~ '_cluster_models') }}
        ),

        weights as (
            select
                model_id,
                component.component,
                component.bias,
                unnest(names) as feature,
                unnest(component.weights) as weight
            from components
        ),

        computed as (
            select
                sampled.scope,
                sampled.store_id,
                weights.component,
                any_value(sampled.z[weights.component]) as score,
                sum(weights.weight * scaled.imputed_value) + any_value(weights.bias) as computed_score,
                sum(abs(weights.weight * scaled.imputed_value)) + abs(any_value(weights.bias)) as magnitude,
                count(scaled.imputed_value) as n_values,
                count(*) as n_weights
            from sampled
            inner join weights on sampled.model_id = weights.model_id
            left join {{ ref(lane ~ '_scaled_features') }} as scaled
                on
                    sampled.scope = scaled.scope
                    and sampled.store_id = scaled.store_id
                    and weights.feature = scaled.feature
            group by all
        )

        select
            '{{ lane }}' as lane,
            scope,
            store_id,
            component,
            score,
            computed_score
        from computed
        where
            score is null
            or n_values < n_weights
            or abs(score - computed_score) > {{ tolerance }} * greatest(1, magnitude)
    )
    {{ 'union all' if not loop.last }}
{% endfor %}
