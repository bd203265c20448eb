{{ config(severity='warn') }}

-- Rows are the evidence: what the stores of today are no longer like.
select
    lane,
    scope,
    subject,
    feature,
    stability_index,
    threshold
from {{ ref('drift') }}
where has_drifted
order by stability_index / threshold desc
