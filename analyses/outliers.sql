select
    category,
    store_id,
    segment_id,
    round(internal_outlier_score, 2) as internal_outlier_score,
    round(external_outlier_score, 2) as external_outlier_score
from {{ ref('store_explanations') }} as explanations
where is_outlier
order by
    category asc,
    greatest(explanations.internal_outlier_score, explanations.external_outlier_score) desc,
    store_id asc
