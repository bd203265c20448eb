select
    category,
    store_id,
    segment_id,
    internal_outlier_score,
    external_outlier_score
from {{ ref('store_explanations') }}
where is_outlier
order by category asc, greatest(internal_outlier_score, external_outlier_score) desc, store_id asc
