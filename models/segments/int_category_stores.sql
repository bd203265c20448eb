-- Who is segmented in what. Without a location for sales, the external lane alone makes the segments.
select
    -- ids
    scope as category,
    store_id,

    -- numbers
    sales_amount::decimal(38, 4) as sales_amount
from {{ ref('feat_internal') }}
{%- if not has_input('sales') %}
    union all
    select
        'All stores' as category,
        store_id,
        null as sales_amount
    from {{ ref('external_clusters') }}
{%- endif %}
order by category, store_id
