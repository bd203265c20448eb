{{ config(enabled='demographics' in external_sources()) }}

{{ stage_external('demographics') }}
