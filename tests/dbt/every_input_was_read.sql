-- An external input that cannot be read stops nothing; here it is named.
{{ config(severity=severity_of_failures()) }}

select
    input,
    reason
from {{ source('run_log', 'unread_inputs') }}
where run_id = '{{ invocation_id }}'
