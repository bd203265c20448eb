{{ config(severity='warn') }}

select
    input,
    id_hint
from {{ ref('int_input_verdicts') }}
where id_hint is not null
