select
    store_groups.store_group,
    round(store_groups.agreement, 2) as agreement,
    count(*) as n_stores_of_the_group
from {{ ref('store_groups') }} as store_groups
inner join {{ ref('store_groups') }} as members on store_groups.store_group = members.store_group
where store_groups.store_id = {{ argument('store', 'T0042') }}
group by store_groups.store_group, store_groups.agreement
