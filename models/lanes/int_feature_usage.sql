-- A model in force may be older than today's features: a column may have changed its form (plain or
-- logarithm), a level, a need state or a whole column may be gone or new. This says for each feature
-- what scoring does then; the scoring SQL is written from it.
with all_models as (
    {{ all_cluster_models() | indent(4) }}
),

models as (
    select
        all_models.lane,
        all_models.scope,
        all_models.model_id,
        all_models.features
    from all_models
    inner join {{ ref('int_current_cluster_models') }} as in_force
        on all_models.lane = in_force.lane and all_models.model_id = in_force.model_id
    semi join {{ ref('scope_features') }} as scope_features
        on all_models.lane = scope_features.lane and all_models.scope = scope_features.scope
),

described as (
    select
        lane,
        scope,
        model_id,
        unnest(features) as feature,
        generate_subscripts(features, 1) as model_position
    from models
),

model_features as (
    select
        lane,
        scope,
        model_id,
        model_position,
        feature.name as feature,
        feature.kept as is_used,
        {{ feature_form('lane', 'feature.name') }} as form,
        {{ feature_column('lane', 'feature.name') }} as column_name
    from described
),

todays_features as (
    select
        lane,
        scope,
        feature,
        position,
        category_column,
        {{ feature_form('lane', 'feature') }} as form,
        {{ feature_column('lane', 'feature') }} as column_name
    from {{ ref('scope_features') }}
),

todays_categories as (
    select
        lane,
        scope,
        category_column,
        min(position) as position
    from todays_features
    where category_column is not null
    group by all
),

-- a level that no store has today is 0 where the store has another level of its column
matched as (
    select
        model_features.*,
        todays_features.feature as todays_feature,
        coalesce(todays_features.position, todays_categories.position) as todays_position,
        case
            when todays_features.form = model_features.form then 'none'
            when todays_features.form is not null then todays_features.form || ' to ' || model_features.form
            when todays_categories.position is not null then 'zero'
            else 'missing'
        end as conversion
    from model_features
    left join todays_features
        on
            model_features.lane = todays_features.lane
            and model_features.scope = todays_features.scope
            and model_features.column_name = todays_features.column_name
    left join todays_categories
        on
            todays_features.feature is null
            and model_features.lane = todays_categories.lane
            and model_features.scope = todays_categories.scope
            and starts_with(model_features.feature, todays_categories.category_column || ' = ')
    qualify row_number() over (
        partition by model_features.lane, model_features.model_id, model_features.feature
        order by length(todays_categories.category_column) desc
    ) = 1
),

unknown as (
    select
        models.model_id,
        todays_features.*
    from todays_features
    inner join models on todays_features.lane = models.lane and todays_features.scope = models.scope
    anti join model_features
        on
            todays_features.lane = model_features.lane
            and todays_features.scope = model_features.scope
            and todays_features.column_name = model_features.column_name
)

select
    -- ids
    lane,
    scope,
    model_id,
    feature,

    -- text
    case
        when not is_used then 'dropped by the model'
        when conversion = 'none' then 'as fitted'
        when conversion = 'zero' then 'level not seen'
        when conversion = 'missing' then 'vanished'
        else 'converted'
    end as usage,
    todays_feature,
    conversion,

    -- numbers
    model_position::integer as model_position,
    todays_position::integer as todays_position,

    -- booleans
    is_used
from matched
union all
select
    lane,
    scope,
    model_id,
    feature,
    'unknown to the model' as usage,
    feature as todays_feature,
    'none' as conversion,
    null as model_position,
    position::integer as todays_position,
    false as is_used
from unknown
order by lane, scope, model_id, model_position, feature
