{{ config(materialized='view') }}

select *
from {{ ref('int_feature_pulls') }}
