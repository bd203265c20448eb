{{ config(materialized="view") }}

with internal_cells as (
    select
        scope_features.lane,
        vectors.scope,
        vectors.store_id,
        scope_features.feature,
        scope_features.label,
        scope_features.source,
        vectors.shares[scope_features.position] as share,
        vectors.x[scope_features.position] as transformed_value
    from {{ ref('feat_internal') }} as vectors
    inner join {{ ref('scope_features') }} as scope_features
        on vectors.scope = scope_features.scope and scope_features.lane = 'internal'
),

external_cells as (
    select
        scope_features.lane,
        vectors.scope,
        vectors.store_id,
        scope_features.feature,
        scope_features.label,
        scope_features.source,
        vectors.x[scope_features.position] as transformed_value
    from {{ ref('feat_external') }} as vectors
    inner join {{ ref('scope_features') }} as scope_features
        on vectors.scope = scope_features.scope and scope_features.lane = 'external'
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
