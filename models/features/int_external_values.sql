-- A column is numeric when the profile of own inputs says so; without own inputs, when nine in ten of its values
-- are numbers. Other values of such a column are
-- set aside, and `rejected_rows` lists them. Beyond 1e100 squares overflow: no measurement is that large.
with given as (
    {{ external_values() | indent(4) }}
),

parsed as (
    select
        *,
        try_cast(cell as double) as number
    from given
),

columns_judged as (
    select
        parsed.source,
        parsed.column_name,
        coalesce(
            any_value(profiled_columns.read_as = 'number'),
            count(parsed.number) >= 0.9 * count(parsed.cell)
        ) and count(parsed.cell) > 0 as is_numeric
    from parsed
    left join {{ source('run_checks', 'profiled_columns') }} as profiled_columns
        on parsed.source = profiled_columns.input and parsed.column_name = profiled_columns.column_name
    group by all
)

select
    -- ids
    parsed.store_id,

    -- text
    parsed.source,
    parsed.column_name,
    parsed.cell,
    case
        when not columns_judged.is_numeric or parsed.cell is null then null
        when parsed.number is null then 'not a number in a numeric column'
        when not isfinite(parsed.number) then 'not a finite number'
        when abs(parsed.number) > 1e100 then 'number too large to compute with'
    end as rejection_reason,

    -- numbers
    parsed.row_number,
    case
        when columns_judged.is_numeric and isfinite(parsed.number) and abs(parsed.number) <= 1e100 then parsed.number
    end as number,

    -- booleans
    columns_judged.is_numeric
from parsed
inner join columns_judged on parsed.source = columns_judged.source and parsed.column_name = columns_judged.column_name
