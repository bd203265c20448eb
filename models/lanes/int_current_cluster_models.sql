-- The model in force: the newest one that could be fitted, or the one that is pinned.
with models as (
    {{ all_cluster_models() | indent(4) }}
),

pinned (scope, model_id) as (
    {%- set pins = setting('pinned_models') or {} %}
    {%- for scope, model_id in pins.items() %}
    select
        {{ sql_text(scope) }},
        {{ sql_text(model_id) }}
    union all
    {%- endfor %}
    select
        null::varchar,
        null::varchar
    where false
),

ranked as (
    select
        models.lane,
        models.scope,
        models.model_id,
        models.status,
        models.reason,
        models.k,
        pinned.model_id is not null as is_pinned,
        row_number() over (
            partition by models.lane, models.scope
            order by pinned.model_id is not null desc, models.in_force_order desc
        ) as place
    from models
    left join pinned on models.scope = pinned.scope and models.model_id = pinned.model_id
    where models.status <> 'failed'
)

select
    -- ids
    model_id,

    -- text
    lane,
    scope,
    status,
    reason,

    -- numbers
    k,

    -- booleans
    is_pinned
from ranked
where place = 1
order by lane, scope
