select *
from {{ ref('int_cluster_centroids') }}
order by lane, scope, model_id, cluster, component
