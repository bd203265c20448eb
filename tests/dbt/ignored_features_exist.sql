-- A pattern that matches nothing leaves nothing out, which is not what its author wanted.
{{ config(severity='warn') }}

with patterns as (
    select distinct
        lane,
        model_id,
        unnest(from_json(settings.value, '["VARCHAR"]')) as pattern
    from (
        select
            lane,
            model_id,
            unnest(settings) as settings
        from {{ ref('model_registry') }}
        where is_in_force
    )
    where settings.name = 'ignore_features'
),

matched as (
    select
        lane,
        model_id,
        partner as pattern
    from {{ ref('feature_decisions') }}
    where reason = 'ignored'
)

select patterns.pattern as ignore_features
from patterns
left join matched
    on
        patterns.lane = matched.lane
        and patterns.model_id = matched.model_id
        and patterns.pattern = matched.pattern
group by patterns.pattern
having count(matched.pattern) = 0
order by patterns.pattern
