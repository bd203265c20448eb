{{ components('external') }}
order by scope, store_id
