with stores as (
    select
        category,
        segment_id,
        sales_amount,
        room
    from {{ ref('segment_opportunity') }}
    union all
    select
        category,
        null as segment_id,
        sales_amount,
        room
    from {{ ref('segment_opportunity') }}
),

sums as (
    select
        category,
        segment_id,
        sum(sales_amount) as sales_amount,
        sum(room) as room
    from stores
    group by all
)

select
    published.category,
    published.segment_id,
    published.room,
    sums.room as sum_of_stores
from {{ ref('segment_room') }} as published
left join sums
    on published.category = sums.category and published.segment_id is not distinct from sums.segment_id
where
    -- NULL is room that cannot be estimated
    (published.room is not null and published.room is distinct from sums.room)
    or published.sales_amount is distinct from sums.sales_amount
