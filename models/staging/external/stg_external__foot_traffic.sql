{{ config(enabled='foot_traffic' in var('external_sources')) }}

{{ stage_external('foot_traffic') }}
