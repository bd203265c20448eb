-- Fails when too much of an input was rejected, before anything that segments, history or models are made of.
with refused as (
    select string_agg('inputs.' || input || ': ' || concat_ws('. ', refusal, id_hint), '; ' order by input) as refusals
    from {{ ref('int_input_verdicts') }}
    where refusal is not null
)

select
    if(
        refusals is null or {{ flags.EMPTY }},
        true,
        error(
            refusals
            || '. Correct the input, or set segmentation.max_rejected_share (now '
            || {{ readable_percent(setting('max_rejected_share') or 0) }}
            || ') if you accept the loss. governance.rejected_rows lists every row;'
            || ' nothing was published and the history is unchanged'
        )::boolean
    ) as is_open
from refused
