{{ config(enabled='foot_traffic' in external_sources()) }}

{{ stage_external('foot_traffic') }}
