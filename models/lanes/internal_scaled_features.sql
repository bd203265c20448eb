{{ config(materialized='view') }}

{{ scaled_features('internal') }}
