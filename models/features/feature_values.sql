{{ config(materialized="view") }}

-- Lists are taken apart before the join, which would copy a whole list for each of its cells.
with internal_positions as (
    select
        scope,
        store_id,
        generate_subscripts(x, 1) as position,
        unnest(shares) as share,
        unnest(x) as transformed_value
    from {{ ref('feat_internal') }}
),

external_positions as (
    select
        scope,
        store_id,
        generate_subscripts(x, 1) as position,
        unnest(x) as transformed_value
    from {{ ref('feat_external') }}
),

internal_cells as (
    select
        scope_features.lane,
        cells.scope,
        cells.store_id,
        scope_features.feature,
        scope_features.label,
        scope_features.source,
        cells.share,
        cells.transformed_value
    from internal_positions as cells
    inner join {{ ref('scope_features') }} as scope_features
        on
            cells.scope = scope_features.scope
            and cells.position = scope_features.position
            and scope_features.lane = 'internal'
),

external_cells as (
    select
        scope_features.lane,
        cells.scope,
        cells.store_id,
        scope_features.feature,
        scope_features.label,
        scope_features.source,
        cells.transformed_value
    from external_positions as cells
    inner join {{ ref('scope_features') }} as scope_features
        on
            cells.scope = scope_features.scope
            and cells.position = scope_features.position
            and scope_features.lane = 'external'
)

select
    -- text
    internal_cells.lane,
    internal_cells.scope,
    internal_cells.store_id,
    internal_cells.feature,
    internal_cells.label,
    internal_cells.source,

    -- numbers
    coalesce(sales.sales_amount, 0)::double as raw_value,
    internal_cells.share,
    internal_cells.transformed_value
from internal_cells
left join {{ ref('int_sales_by_need_state') }} as sales
    on
        internal_cells.scope = sales.category
        and internal_cells.store_id = sales.store_id
        and internal_cells.feature = sales.need_state
union all
select
    external_cells.lane,
    external_cells.scope,
    external_cells.store_id,
    external_cells.feature,
    external_cells.label,
    external_cells.source,
    external.raw_value,
    null::double as share,
    external_cells.transformed_value
from external_cells
left join {{ ref('int_external_features') }} as external
    on external_cells.store_id = external.store_id and external_cells.feature = external.feature
