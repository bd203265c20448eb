select *
from {{ ref('int_centroid_features') }}
order by lane, scope, model_id, cluster, feature
