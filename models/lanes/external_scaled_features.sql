{{ config(materialized='view') }}

{{ scaled_features('external') }}
