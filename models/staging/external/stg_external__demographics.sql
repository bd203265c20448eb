{{ config(enabled='demographics' in var('external_sources')) }}

{{ stage_external('demographics') }}
