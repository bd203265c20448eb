-- A name is made when a map is filled, and stays as long as the map: what planners call a segment does not change with
-- the day's figures. Other `labels` make it again.
{% set labels_hash = "md5(" ~ sql_text(tojson(setting('labels') or {}, sort_keys=true)) ~ ")" %}

select
    -- ids
    training.category,
    training.map_id,
    training.segment_id,

    -- text
    wording.computed_name as default_name,
    {{ labels_hash }} as labels_hash
from {{ ref('training_segments') }} as training
inner join {{ ref('segment_wording') }} as wording
    on training.category = wording.category and training.segment_id = wording.segment_id
{%- if is_incremental() %}
    anti join {{ this }} as known
        on
            training.category = known.category
            and training.map_id = known.map_id
            and training.segment_id = known.segment_id
            and known.labels_hash = {{ labels_hash }}
{%- endif %}
