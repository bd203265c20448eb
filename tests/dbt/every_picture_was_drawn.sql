-- A picture that could not be drawn stops nothing; here it is named.
{{ config(severity='warn') }}

select
    name,
    format,
    reason
from {{ ref('segment_plots') }}
where status = 'failed'
