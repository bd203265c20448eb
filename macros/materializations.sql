{#- Tables and views are replaced under their own name in one transaction: until it ends others see the old one,
    and a model that fails leaves it as it was. dbt-duckdb builds each beside the old one, renames both and drops
    one; every such call of the adapter sets up all macros of dbt anew, which takes longer than most models. -#}


{#- The SQL of a model is run as the transaction that drops the old table. A Python model has a connection of
    its own for what it writes, so its table is written beside the old one first. -#}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if is_kept(existing) -%}
        {%- do store_raw_result('main', message='KEPT', code='KEPT', rows_affected=-1) -%}
        {{ return({'relations': [existing]}) }}
    {%- endif -%}
    {%- set new = this.incorporate(type='table') -%}
    {%- set is_python = model.language == 'python' -%}
    {%- set built = make_intermediate_relation(new) if is_python else new -%}
    {%- do run_hooks(pre_hooks, inside_transaction=False) -%}
    {%- if is_python -%}
        {%- do drop_if_there(load_cached_relation(built)) -%}
    {%- else -%}
        {%- do begin_replacement(existing) -%}
    {%- endif -%}
    {%- call statement('main', language=model.language) -%}
        {{ create_table_as(False, built, compiled_code, model.language) }}
    {%- endcall -%}
    {%- if is_python -%}
        {%- do begin_replacement(existing) -%}
        {%- do rename_relation(built, new) -%}
    {%- endif -%}
    {{ return(end_replacement(new)) }}
{% endmaterialization %}


{% materialization view, adapter='duckdb' %}
    {%- set new = this.incorporate(type='view') -%}
    {%- do run_hooks(pre_hooks, inside_transaction=False) -%}
    {%- do begin_replacement(load_cached_relation(this)) -%}
    {%- call statement('main') -%}
        {{ get_create_view_as_sql(new, sql) }}
    {%- endcall -%}
    {{ return(end_replacement(new)) }}
{% endmaterialization %}


{#- A seed is read by DuckDB, with the types that stand in its `column_types` and those that all its rows have. (dbt
    reads a seed in Python before, to tell the types by itself.) -#}
{% materialization seed, adapter='duckdb' %}
    {%- set new = this.incorporate(type='table') -%}
    {%- set types = [] -%}
    {%- for column, type in (config.get('column_types') or {}).items() -%}
        {%- do types.append(sql_text(column) ~ ': ' ~ sql_text(type)) -%}
    {%- endfor -%}
    {%- do run_hooks(pre_hooks, inside_transaction=False) -%}
    {%- do begin_replacement(load_cached_relation(this)) -%}
    {%- call statement('main') -%}
        create table {{ new }} as
        select *
        from read_csv(
            {{ sql_text(adapter.get_seed_file_path(model)) }},
            header = true,
            delim = {{ sql_text(config.get('delimiter', ',')) }},
            sample_size = -1
            {%- if types %},
            types = { {{- types | join(', ') -}} }
            {%- endif %}
        )
    {%- endcall -%}
    {#- the rows that `dbt seed --show` shows -#}
    {%- do store_result('agate_table', response='OK', agate_table=run_query('select * from ' ~ new ~ ' limit 10')) -%}
    {{ return(end_replacement(new)) }}
{% endmaterialization %}


{#- Whether a table stays as the last run made it: that run was made from the same (`keep_unchanged_tables`), and the
    table says nothing of the run itself. -#}
{% macro is_kept(existing) -%}
    {%- set described = [model] + model.columns.values() | list -%}
    {%- set runs = load_cached_relation(api.Relation.create(database=target.database, schema='governance', identifier='runs')) -%}
    {%- if not existing or not existing.is_table or not runs or described | selectattr('config.meta.run_specific') | list -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(run_query('select keeps_tables from ' ~ runs ~ ' where run_id = ' ~ sql_text(invocation_id)).rows[0][0]) }}
{%- endmacro %}


{#- Begin the transaction in which a relation is replaced: from here on it is gone. -#}
{% macro begin_replacement(existing) -%}
    {%- do adapter.ensure_transaction() -%}
    {%- do run_hooks(pre_hooks) -%}
    {%- do drop_if_there(existing) -%}
{%- endmacro %}


{#- End the transaction in which a relation was replaced, and say to dbt which one it was. -#}
{% macro end_replacement(new) -%}
    {%- do persist_docs(new, model) -%}
    {%- do run_hooks(post_hooks) -%}
    {%- do adapter.commit() -%}
    {%- do run_hooks(post_hooks, inside_transaction=False) -%}
    {{ return({'relations': [new]}) }}
{%- endmacro %}


{#- Drop a relation that dbt knows of, if it does. (By the macro: `adapter.drop_relation` sets up all macros.) -#}
{% macro drop_if_there(relation) -%}
    {%- if relation -%}
        {%- do drop_relation(relation) -%}
    {%- endif -%}
{%- endmacro %}


{#- Let DuckDB hold sums by small whole numbers in an array instead of a hash table: a quarter less time for many
    rows. Each thread has an array, so that the more there are the shorter it may be (2^20 sums of 80 bytes for up to
    16 threads). For the hook before a model; `reset perfect_ht_threshold` after it. -#}
{% macro hold_sums_in_arrays() -%}
    {%- if execute -%}
        {%- set bits = run_query("select least(20, 24 - ceil(log2(current_setting('threads'))))::integer").columns[0].values()[0] -%}
        set perfect_ht_threshold = {{ bits }}
    {%- endif -%}
{%- endmacro %}
