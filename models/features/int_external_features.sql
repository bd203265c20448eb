-- Numeric columns keep their values; one that is skewed, less so as a logarithm, has no negative values
-- and is not a share between 0 and 1 enters as its logarithm, and its feature says so by name. A categorical column
-- becomes one indicator per level, the rarest levels together as "other". A missing value stays
-- missing until imputation.
{% set max_categories = setting('max_categories', 'external', 'external') %}
{% set skewness = setting('log_skewness_threshold', 'external', 'external') %}

-- depends_on: {{ ref('int_input_gate') }}
with cells as (
    select *
    from {{ ref('int_external_cells') }}
    where not is_identifier
),

column_shapes as (
    select
        source,
        column_name,
        case
            when count(distinct number) <= 2 or min(number) < 0 then 'plain'
            when min(number) >= 0 and max(number) <= 1 then 'plain'
            when coalesce(skewness(number), 0) <= {{ skewness }} then 'plain'
            when min(number) > 0 then if(abs(skewness(log_number)) < skewness(number), 'log', 'plain')
            else if(abs(skewness(log1p_number)) < skewness(number), 'log1p', 'plain')
        end as shape
    from (
        select
            source,
            column_name,
            number,
            case when number > 0 then ln(number) end as log_number,
            case when number >= 0 then ln(1 + number) end as log1p_number
        from cells
        where is_numeric
    ) as numbers
    group by all
),

numeric_features as (
    select
        cells.store_id,
        cells.source,
        cells.column_name as label,
        case
            when column_shapes.shape = 'plain' then cells.source || '.' || cells.column_name
            else column_shapes.shape || '(' || cells.source || '.' || cells.column_name || ')'
        end as feature,
        cells.number as raw_value,
        case column_shapes.shape
            when 'plain' then cells.number
            when 'log' then ln(cells.number)
            else ln(1 + cells.number)
        end as value
    from cells
    inner join column_shapes
        on cells.source = column_shapes.source and cells.column_name = column_shapes.column_name
    where cells.is_numeric
),

-- a column without a single value has no type; it is listed, and dropped with that reason
empty_columns as (
    select
        source,
        column_name
    from cells
    group by all
    having count(cell) = 0
),

empty_features as (
    select
        cells.store_id,
        cells.source,
        cells.column_name as label,
        cells.source || '.' || cells.column_name as feature,
        null::double as raw_value,
        null::double as value
    from cells
    inner join empty_columns
        on cells.source = empty_columns.source and cells.column_name = empty_columns.column_name
),

level_sizes as (
    select
        source,
        column_name,
        cell as level,
        count(*) as n_stores
    from cells
    where not is_numeric and cell is not null
    group by all
),

levels as (
    select
        source,
        column_name,
        level,
        case
            when
                row_number() over (
                    partition by source, column_name order by n_stores desc, level asc
                ) <= {{ max_categories }}
                then level
            else 'other'
        end as indicator
    from level_sizes
),

indicators as (
    select distinct
        source,
        column_name,
        indicator
    from levels
),

indicator_features as (
    select
        cells.store_id,
        cells.source,
        cells.source || '.' || cells.column_name as category_column,
        cells.column_name || ' = ' || indicators.indicator as label,
        cells.source || '.' || cells.column_name || ' = ' || indicators.indicator as feature,
        case when cells.cell is not null then (levels.indicator = indicators.indicator)::integer::double end as value
    from cells
    inner join indicators on cells.source = indicators.source and cells.column_name = indicators.column_name
    left join levels
        on
            cells.source = levels.source
            and cells.column_name = levels.column_name
            and cells.cell = levels.level
    where not cells.is_numeric
)

select
    -- ids
    store_id,

    -- text
    source,
    feature,
    label,
    null::varchar as category_column,

    -- numbers
    raw_value,
    value
from numeric_features
union all
select
    store_id,
    source,
    feature,
    label,
    null as category_column,
    raw_value,
    value
from empty_features
union all
select
    store_id,
    source,
    feature,
    label,
    category_column,
    value as raw_value,
    value
from indicator_features
order by store_id, feature
