-- Parquet, tables and seeds stay where they are; text is read once.
{{ config(materialized='table' if is_delimited_text(given_inputs().get('sales') or '') else 'view') }}

{{ sales_rows() }}
