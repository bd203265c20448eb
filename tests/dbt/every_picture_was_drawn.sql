-- A picture that could not be drawn stops nothing; here it is named.
{{ config(severity=severity_of_failures()) }}

select
    name,
    format,
    reason
from {{ ref('segment_plots') }}
where status = 'failed'
