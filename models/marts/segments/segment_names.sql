-- A name is made of the two need states and the one external feature, among those the models use,
-- in which the segment differs most from all stores of its category, in the words of the inputs. Two
-- segments with the same name are told apart by their id.
{% set clear_difference = 0.25 %}

with differences as (
    select
        profiles.category,
        profiles.segment_id,
        profiles.lane,
        case
            when scope_features.category_column is null
                then
                    if(profiles.lane = 'external', replace(profiles.label, '_', ' '), profiles.label)
                    || if(profiles.difference_in_sd > 0, ' high', ' low')
            else
                if(profiles.difference_in_sd > 0, '', 'not ')
                || replace(replace(profiles.label, '_', ' '), ' = ', ': ')
        end as phrase,
        row_number() over (
            partition by profiles.category, profiles.segment_id, profiles.lane
            order by abs(profiles.difference_in_sd) desc, profiles.feature asc
        ) as place
    from {{ ref('segment_profiles') }} as profiles
    inner join {{ ref('scope_features') }} as scope_features
        on
            profiles.lane = scope_features.lane
            and profiles.feature = scope_features.feature
            and scope_features.scope = if(profiles.lane = 'internal', profiles.category, 'external')
    where profiles.is_used and abs(profiles.difference_in_sd) >= {{ clear_difference }}
),

phrases as (
    select
        category,
        segment_id,
        string_agg(phrase, ' · ' order by place) filter (where lane = 'internal' and place <= 2) as internal_phrase,
        string_agg(phrase, ' · ' order by place) filter (where lane = 'external' and place <= 1) as external_phrase
    from differences
    group by all
),

segments as (
    select
        category,
        segment_id,
        count(distinct segment_id) over (partition by category) as n_segments
    from (
        select distinct
            category,
            segment_id
        from {{ ref('merged_segments') }}
    )
),

named as (
    select
        segments.category,
        segments.segment_id,
        case
            when segments.n_segments = 1 then 'All stores'
            else coalesce(phrases.internal_phrase, 'average mix') || coalesce(' | ' || phrases.external_phrase, '')
        end as name
    from segments
    left join phrases
        on segments.category = phrases.category and segments.segment_id = phrases.segment_id
)

select
    -- ids
    category,
    segment_id,

    -- text
    case
        when count(*) over (partition by category, name) = 1 then name
        else name || ' (' || segment_id || ')'
    end as segment_name
from named
order by category, segment_id
