{{ config(severity='warn') }}

-- A model that is kept while a column disappears scores every store with the imputed value of it.
select
    lane,
    scope,
    model_id,
    feature
from {{ ref('feature_usage') }}
where usage = 'vanished'
