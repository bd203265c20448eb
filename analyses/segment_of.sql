-- Without a store of exactly this id, 42, 0042 and t0042 find T0042.
with stores as (
    select distinct
        store_id,
        lower(regexp_replace(store_id, '(^|[^0-9])0+([0-9])', '\1\2', 'g')) as short_id
    from {{ ref('store_segments') }}
),

asked as (
    select
        given_id,
        lower(regexp_replace(given_id, '(^|[^0-9])0+([0-9])', '\1\2', 'g')) as short_id
    from (select trim({{ argument('store', 'T0042') }}::varchar) as given_id)
),

found as (
    select
        stores.store_id,
        case
            when stores.store_id = asked.given_id then 1
            when stores.short_id = asked.short_id then 2
            when nullif(regexp_replace(stores.short_id, '^[^0-9]+', ''), '') = asked.short_id then 3
        end as step
    from stores
    cross join asked
    qualify step = min(step) over ()
)

select
    store_segments.store_id,
    store_segments.category,
    store_segments.segment_id,
    store_segments.segment_name,
    round(store_segments.margin, 3) as margin,
    round(store_segments.assignment_probability, 2) as probability,
    store_segments.second_segment_id,
    store_segments.is_outlier,
    store_segments.is_thin_history,
    null::varchar as note
from {{ ref('store_segments') }} as store_segments
inner join found on store_segments.store_id = found.store_id
union all
select
    null as store_id,
    null as category,
    null as segment_id,
    null as segment_name,
    null as margin,
    null as probability,
    null as second_segment_id,
    null as is_outlier,
    null as is_thin_history,
    'no store has the id ' || asked.given_id || '; ids look like ' || (
        select min(stores.store_id) || ' or ' || max(stores.store_id)
        from stores
    ) as note
from asked
where not exists (select 1 from found)
order by store_id, category
