select *
from {{ ref('int_cluster_search') }}
order by lane, scope, model_id, k
