-- What sets a segment apart, strongest first, in the words and units of the inputs. Only features that
-- the models use, and only differences that one can see.
{% set clear_difference = 0.25 %}

with differences as (
    select
        profiles.category,
        profiles.segment_id,
        profiles.lane,
        profiles.feature,
        profiles.mean_value,
        profiles.overall_mean,
        profiles.difference_in_sd,
        profiles.effect_size,
        scope_features.category_column is not null as is_level,
        case
            when profiles.lane = 'internal' then profiles.label
            when scope_features.category_column is null then replace(profiles.label, '_', ' ')
            else replace(replace(profiles.label, '_', ' '), ' = ', ': ')
        end as label,
        row_number() over (
            partition by profiles.category, profiles.segment_id, profiles.lane
            order by abs(profiles.difference_in_sd) desc, profiles.feature asc
        ) as place
    from {{ ref('int_segment_profiles') }} as profiles
    inner join {{ ref('scope_features') }} as scope_features
        on
            profiles.lane = scope_features.lane
            and profiles.feature = scope_features.feature
            and scope_features.scope = if(profiles.lane = 'internal', profiles.category, 'external')
    where profiles.is_used and abs(profiles.difference_in_sd) >= {{ clear_difference }}
)

select
    -- ids
    category,
    segment_id,
    lane,
    place,

    -- text
    feature,
    case
        when is_level then if(difference_in_sd > 0, '', 'not ') || label
        else label || if(difference_in_sd > 0, ' high', ' low')
    end as phrase,
    case
        when lane = 'internal'
            then format(
                '{} {} ({} of sales, {} overall)',
                if(difference_in_sd > 0, 'more', 'less'),
                label,
                {{ readable_percent('mean_value') }},
                {{ readable_percent('overall_mean') }}
            )
        when is_level
            then format(
                '{} {} ({} of stores, {} overall)',
                if(difference_in_sd > 0, 'more often', 'less often'),
                label,
                {{ readable_percent('mean_value') }},
                {{ readable_percent('overall_mean') }}
            )
        else format(
            '{} {} ({}, {} overall)',
            if(difference_in_sd > 0, 'high', 'low'),
            label,
            {{ readable_number('mean_value') }},
            {{ readable_number('overall_mean') }}
        )
    end as sentence,

    -- numbers
    mean_value,
    overall_mean,
    difference_in_sd,
    effect_size
from differences
order by category, segment_id, lane, place
