select *
from {{ ref('int_feature_usage') }}
order by lane, scope, model_id, model_position, feature
