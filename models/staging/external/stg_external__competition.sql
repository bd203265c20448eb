{{ config(enabled='competition' in external_sources()) }}

{{ stage_external('competition') }}
