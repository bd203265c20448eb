-- A label that nothing is called by: its column, level or need state is misspelled, or no longer there.
{{ config(severity='warn') }}

with labels (label) as (
    {%- for label in setting('labels') or {} %}
    select {{ sql_text(label) }}
    union all
    {%- endfor %}
    select null::varchar
),

features as (
    select feature as name
    from {{ ref('scope_features') }}
    union
    select category_column as name
    from {{ ref('scope_features') }}
    where category_column is not null
),

unknown as (
    select labels.label
    from labels
    anti join features on labels.label = features.name
    where labels.label is not null
)

select
    unknown.label,
    arg_max(features.name, jaro_winkler_similarity(lower(unknown.label), lower(features.name))) as did_you_mean
from unknown
cross join features
group by unknown.label
order by unknown.label
