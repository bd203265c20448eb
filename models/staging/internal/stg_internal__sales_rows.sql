-- Parquet, tables and seeds stay where they are; texts are converted once.
{{ config(materialized='table' if is_loaded('sales') else 'view') }}

{{ sales_rows() }}
