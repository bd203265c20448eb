select *
from {{ ref('int_current_cluster_models') }}
order by lane, scope
