-- A name is made of the two need states and the one external feature, among those the models use,
-- in which the segment differs most from all stores of its category, in the words of the inputs. Two segments with the same
-- name are told apart by their id.
{% set clear_difference = 0.25 %}

with differences as (
    select
        category,
        segment_id,
        lane,
        case
            when label like '% = %' and difference_in_sd > 0 then replace(replace(label, '_', ' '), ' = ', ': ')
            when label like '% = %' then 'not ' || replace(replace(label, '_', ' '), ' = ', ': ')
            else replace(label, '_', ' ') || if(difference_in_sd > 0, ' high', ' low')
        end as phrase,
        row_number() over (
            partition by category, segment_id, lane order by abs(difference_in_sd) desc, feature
        ) as place
    from {{ ref('segment_profiles') }}
    where is_used and abs(difference_in_sd) >= {{ clear_difference }}
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
            else coalesce(phrases.internal_phrase, 'average mix')
                || coalesce(' | ' || phrases.external_phrase, '')
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
