-- A segment is called by one of its cells. Which one is settled when a pair of models comes into force, and
-- kept with it: no new store can rename a segment, and a return to earlier models brings their names back.
-- Cells of about the same size (the same power of two) keep the order they had under the pair before.
with external_model as (
    select model_id
    from {{ ref('int_current_cluster_models') }}
    where lane = 'external'
),

cells as (
    select
        category_stores.category,
        coalesce(internal.model_id, 'none') as internal_model_id,
        coalesce((select external_model.model_id from external_model), 'none') as external_model_id,
        coalesce(internal.cluster::varchar, 'x') || '-' || coalesce(external.cluster::varchar, 'x') as cell_id,
        count(*) as n_stores
    from {{ ref('int_category_stores') }} as category_stores
    left join {{ ref('internal_clusters') }} as internal
        on category_stores.category = internal.scope and category_stores.store_id = internal.store_id
    left join {{ ref('external_clusters') }} as external on category_stores.store_id = external.store_id
    group by all
),

settled as (
    {%- if is_incremental() %}
        select
            category,
            internal_model_id,
            external_model_id,
            cell_id,
            precedence,
            pair_order
        from {{ this }}
    {%- else %}
        select
            null::varchar as category,
            null::varchar as internal_model_id,
            null::varchar as external_model_id,
            null::varchar as cell_id,
            null::integer as precedence,
            null::integer as pair_order
        where false
    {%- endif %}
),

-- where the pair stands in the order of the pairs of its category, and how many cells it has already
pairs as (
    select
        cells.category,
        max(settled.pair_order) as last_order,
        max(settled.pair_order) filter (
            where
            settled.internal_model_id = cells.internal_model_id
            and settled.external_model_id = cells.external_model_id
        ) as own_order,
        coalesce(max(settled.precedence) filter (
            where
            settled.internal_model_id = cells.internal_model_id
            and settled.external_model_id = cells.external_model_id
        ), 0) as n_settled
    from cells
    left join settled on cells.category = settled.category
    group by all
),

new_cells as (
    select
        cells.*,
        coalesce(pairs.own_order, pairs.last_order + 1, 1) as pair_order,
        pairs.n_settled,
        earlier.precedence as earlier_precedence
    from cells
    inner join pairs on cells.category = pairs.category
    left join settled as earlier
        on
            cells.category = earlier.category
            and cells.cell_id = earlier.cell_id
            and pairs.last_order = earlier.pair_order
            and pairs.own_order is null
    anti join settled as own
        on
            cells.category = own.category
            and cells.internal_model_id = own.internal_model_id
            and cells.external_model_id = own.external_model_id
            and cells.cell_id = own.cell_id
)

select
    -- ids
    category,
    internal_model_id,
    external_model_id,
    cell_id,

    -- numbers
    (
        n_settled + row_number() over (
            partition by category
            order by floor(log2(n_stores)) desc, earlier_precedence asc nulls last, n_stores desc, cell_id asc
        )
    )::integer as precedence,
    pair_order::integer as pair_order,
    n_stores
from new_cells
order by category, precedence
