-- No row where repeated rows are kept, so that none is looked for.
with _input as (
    select * from {{ ref('stg_internal__sales_rows') }}
)

select hash(_input) as row_hash
from _input
where {{ setting('duplicate_sales') != 'keep' }}
