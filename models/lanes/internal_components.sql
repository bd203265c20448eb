{{ components('internal') }}
order by scope, store_id
