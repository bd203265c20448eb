-- One value per store: where an input has several rows of a store, they are aggregated, never picked from.
with aggregated as (
    select
        store_values.store_id,
        store_values.source,
        store_values.column_name,
        external_columns.is_numeric,
        external_columns.is_identifier,
        case external_columns.aggregation
            when 'sum' then fsum(store_values.number order by store_values.row_number)
            when 'min' then min(store_values.number)
            when 'max' then max(store_values.number)
            when 'last' then arg_max(store_values.number, store_values.row_number)
            else
                fsum(store_values.number order by store_values.row_number)
                / nullif(count(store_values.number), 0)
        end as number,
        case external_columns.aggregation
            when 'min' then min(store_values.cell)
            when 'max' then max(store_values.cell)
            when 'last' then arg_max(store_values.cell, store_values.row_number)
            else mode(store_values.cell order by store_values.cell)
        end as category
    from {{ ref('int_external_values') }} as store_values
    inner join {{ ref('int_external_columns') }} as external_columns
        on
            store_values.source = external_columns.source
            and store_values.column_name = external_columns.column_name
    group by
        store_values.store_id,
        store_values.source,
        store_values.column_name,
        external_columns.is_numeric,
        external_columns.is_identifier,
        external_columns.aggregation
)

select
    -- ids
    store_id,

    -- text
    source,
    column_name,
    if(is_numeric, number::varchar, category) as cell,

    -- numbers
    if(is_numeric, number, null) as number,

    -- booleans
    is_numeric,
    is_identifier
from aggregated
