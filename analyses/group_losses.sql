select
    category,
    n_stores,
    n_segments,
    round(chain_mix_error, 3) as chain_mix_error,
    round(segment_mix_error, 3) as segment_mix_error,
    round(group_mix_error, 3) as group_mix_error,
    round(loss) as loss
from {{ ref('store_group_losses') }} as losses
order by losses.loss desc, category asc
