-- A text that no two stores share, such as a name or an address, identifies a store and cannot group stores.
with rows_of_stores as (
    select
        source,
        column_name,
        store_id,
        count(*) as n_rows
    from {{ ref('int_external_values') }}
    group by all
),

several_rows as (
    select
        source,
        column_name,
        max(n_rows) > 1 as has_several_rows
    from rows_of_stores
    group by all
),

columns_judged as (
    select
        source,
        column_name,
        is_numeric,
        count(distinct cell) as n_values,
        count(distinct struct_pack(store := store_id, cell := cell)) filter (where cell is not null) as n_store_values,
        count(distinct store_id) filter (where cell is not null) as n_stores
    from {{ ref('int_external_values') }}
    group by all
)

select
    -- text
    columns_judged.source,
    columns_judged.column_name,
    if(
        several_rows.has_several_rows,
        {{ external_aggregation(
            "(columns_judged.source || '.' || columns_judged.column_name)", 'columns_judged.is_numeric'
        ) | indent(8) }},
        null
    ) as aggregation,

    -- numbers
    columns_judged.n_stores,
    columns_judged.n_values,

    -- booleans
    columns_judged.is_numeric,
    (
        not columns_judged.is_numeric
        and columns_judged.n_stores > 2
        and columns_judged.n_values = columns_judged.n_store_values
    ) as is_identifier
from columns_judged
inner join several_rows
    on columns_judged.source = several_rows.source and columns_judged.column_name = several_rows.column_name
order by columns_judged.source, columns_judged.column_name
