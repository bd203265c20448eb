{{ config(enabled='competition' in var('external_sources')) }}

{{ stage_external('competition') }}
