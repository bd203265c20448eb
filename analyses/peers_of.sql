with peers as (
    select
        category,
        unnest(peers) as peer
    from {{ ref('store_explanations') }}
    where store_id = {{ argument('store', 'T0042') }} and category = {{ argument('category_name', 'Snacks') }}
)

select
    store_segments.store_id,
    round(peers.peer.distance, 3) as distance,
    store_segments.segment_id,
    store_segments.segment_name
from peers
inner join {{ ref('store_segments') }} as store_segments
    on peers.category = store_segments.category and peers.peer.store_id = store_segments.store_id
order by peers.peer.distance, store_segments.store_id
