select
    verdict,
    round(segment_rank_correlation, 3) as segment_rank_correlation,
    round(chain_rank_correlation, 3) as chain_rank_correlation,
    round(gain_standard_error, 3) as gain_standard_error,
    explanation
from {{ ref('product_rankings') }}
where category = {{ argument('category_name', 'Snacks') }}
