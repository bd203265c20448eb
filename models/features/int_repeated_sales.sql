-- Copies of a row are in the same store, so that whole stores are a fair sample: at most about a million rows.
{% set samples -%}
with store_sizes as (
    select
        store_id,
        sum(n_rows) as n_rows
    from {{ ref('int_sales_outcomes') }}
    where rejection_reason is null
    group by all
),

sampled_stores as (
    select store_id
    from store_sizes
    qualify
        sum(n_rows) over (order by hash(store_id), store_id) <= 1e6
        or row_number() over (order by hash(store_id), store_id) = 1
)
{%- endset -%}
{{ samples }},

rows_by_copies as (
    {% call over_sales({'n_copies': 'sum', 'sales_amount': 'min'}, {'sampled_stores': samples ~ ' from sampled_stores'}) -%}
    select
        row_hash,
        count(*) as n_copies,
        abs(any_value(sales_amount)) as sales_amount
    from {{ ref('stg_internal__sales') }}
    where rejection_reason is null and store_id in (select store_id from sampled_stores)
    group by all
    {%- endcall %}
)

select
    -- numbers
    (select count(*) from store_sizes) as n_stores,
    (select count(*) from sampled_stores) as n_sampled_stores,
    coalesce(sum(n_copies), 0)::bigint as n_sampled_rows,
    coalesce(sum(n_copies - 1), 0)::bigint as n_repeated_rows,
    (sum(sales_amount * (n_copies - 1)) / nullif(sum(sales_amount * n_copies), 0))::double as repeated_share
from rows_by_copies
