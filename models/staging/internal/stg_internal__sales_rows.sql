-- Parquet, tables and seeds stay where they are; texts are converted once.
{{ config(materialized='table' if is_loaded(given_inputs().get('sales') or '') else 'view') }}

{{ sales_rows() }}
