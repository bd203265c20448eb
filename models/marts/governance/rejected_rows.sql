select *
from {{ ref('int_rejected_rows') }}
order by input, reason, store_id, column_name, input_row
