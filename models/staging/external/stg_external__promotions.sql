{{ config(enabled='promotions' in external_sources()) }}

{{ stage_external('promotions') }}
