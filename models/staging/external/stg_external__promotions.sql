{{ config(enabled='promotions' in var('external_sources')) }}

{{ stage_external('promotions') }}
