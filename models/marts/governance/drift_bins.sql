select *
from {{ ref('int_drift_bins') }}
order by lane, scope, subject, feature, bin
