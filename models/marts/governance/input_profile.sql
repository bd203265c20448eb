-- What a column cost is what this build rejected for its sake, whole rows and single values.
with rejected as (
    select
        input,
        coalesce(column_name, split_part(reason, ' ', 1)) as column_name,
        reason,
        count(*) as n_rows,
        sum(sales_amount) as sales_amount
    from {{ ref('int_rejected_rows') }}
    group by all
),

lost as (
    select
        input,
        column_name,
        sum(n_rows) as n_rows,
        sum(sales_amount) as sales_amount,
        to_json(
            map_from_entries(
                list(
                    struct_pack(reason := reason, lost := struct_pack(rows := n_rows, money := sales_amount))
                    order by n_rows desc, reason asc
                )
            )
        )::varchar as by_reason
    from rejected
    group by all
)

select
    -- text
    profiled_columns.input,
    profiled_columns.column_name,
    profiled_columns.column_in_file,
    profiled_columns.read_as,
    profiled_columns.format,
    profiled_columns.evidence,

    -- numbers
    profiled_columns.n_rows,
    profiled_columns.n_missing,
    profiled_columns.n_distinct,

    -- examples
    profiled_columns.minimum,
    profiled_columns.maximum,
    profiled_columns.n_not_understood,
    profiled_columns.examples_not_understood,

    -- losses and matches
    coalesce(lost.n_rows, 0)::bigint as n_rows_lost,
    lost.sales_amount::decimal(38, 4) as sales_amount_lost,
    lost.by_reason as lost_by_reason,
    profiled_columns.ids_matched,
    profiled_columns.note
from {{ source('run_checks', 'profiled_columns') }} as profiled_columns
left join lost on profiled_columns.input = lost.input and profiled_columns.column_name = lost.column_name
order by profiled_columns.input, profiled_columns.column_name
