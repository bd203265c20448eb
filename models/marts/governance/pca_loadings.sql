select *
from {{ ref('int_pca_loadings') }}
order by lane, scope, model_id, component, feature
