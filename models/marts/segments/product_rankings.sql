select *
from {{ ref('int_product_rankings') }}
order by category
