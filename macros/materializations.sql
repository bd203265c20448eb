{#- Tables and views are replaced under their own name in one transaction: until it ends others see the old one,
    and a model that fails leaves it as it was. dbt-duckdb builds each beside the old one, renames both and drops
    one; every such call of the adapter sets up all macros of dbt anew, which takes longer than most models. -#}


{#- The SQL of a model is run as the transaction that drops the old table. A Python model has a connection of
    its own for what it writes, so its table is written beside the old one first. -#}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if is_kept(existing) -%}
        {{ return(keep(existing)) }}
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
    {%- set existing = load_cached_relation(this) -%}
    {%- if is_kept(existing) -%}
        {{ return(keep(existing)) }}
    {%- endif -%}
    {%- set new = this.incorporate(type='view') -%}
    {%- do run_hooks(pre_hooks, inside_transaction=False) -%}
    {%- do begin_replacement(existing) -%}
    {%- call statement('main') -%}
        {{ get_create_view_as_sql(new, sql) }}
    {%- endcall -%}
    {{ return(end_replacement(new)) }}
{% endmaterialization %}


{#- Rows are made beside the table and come into it in one transaction, with dbt-duckdb's strategies (`append`,
    `delete+insert`, `merge`) and dbt's `on_schema_change`. Batches, grants and indexes are left out. -#}
{% materialization incremental, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if is_kept(existing) -%}
        {{ return(keep(existing)) }}
    {%- endif -%}
    {%- set new = this.incorporate(type='table') -%}
    {%- set made = make_intermediate_relation(new) -%}
    {%- set is_python = model.language == 'python' -%}
    {%- set is_added_to = is_incremental() -%}
    {%- set replaced = none if is_added_to else existing -%}
    {%- do run_hooks(pre_hooks, inside_transaction=False) -%}
    {%- do drop_if_there(load_cached_relation(made)) -%}
    {%- do begin_replacement(replaced) if not is_python -%}
    {%- call statement('main', language=model.language) -%}
        {{ create_table_as(False, made, compiled_code, model.language) }}
    {%- endcall -%}
    {%- do begin_replacement(replaced) if is_python -%}
    {%- if is_added_to -%}
        {%- do run_query(add_rows(made, existing)) -%}
        {%- do drop_if_there(made) -%}
    {%- else -%}
        {%- do rename_relation(made, new) -%}
    {%- endif -%}
    {{ return(end_replacement(new)) }}
{% endmaterialization %}


{#- Where nothing has changed no row of history begins or ends. -#}
{% materialization snapshot, adapter='duckdb' %}
    {%- set existing = load_cached_relation(this) -%}
    {{ return(keep(existing) if is_kept(existing) else dbt.materialization_snapshot_default()) }}
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


{#- Whether a table or view stays as the last run left it: that run was made from the same (`keep_unchanged_tables`),
    and it says nothing of the run itself. A column may where rows are added: it tells of the run that added them. -#}
{% macro is_kept(existing) -%}
    {%- set is_added_to = config.get('materialized') in ['incremental', 'snapshot'] -%}
    {%- set described = [model] + ([] if is_added_to else model.columns.values() | list) -%}
    {%- set type = 'view' if config.get('materialized') == 'view' else 'table' -%}
    {%- set runs = load_cached_relation(api.Relation.create(database=target.database, schema='governance', identifier='runs')) -%}
    {%- if not existing or existing.type != type or not runs or described | selectattr('config.meta.run_specific') | list -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(run_query('select keeps_tables from ' ~ runs ~ ' where run_id = ' ~ sql_text(invocation_id)).rows[0][0]) }}
{%- endmacro %}


{#- Say to dbt that a relation stays as it is. -#}
{% macro keep(existing) -%}
    {%- do store_raw_result('main', message='KEPT', code='KEPT', rows_affected=-1) -%}
    {{ return({'relations': [existing]}) }}
{%- endmacro %}


{#- SQL that brings the rows of one table into another, whose columns follow first. -#}
{% macro add_rows(made, existing) -%}
    {%- set on_schema_change = incremental_validate_on_schema_change(config.get('on_schema_change')) -%}
    {%- set columns = process_schema_changes(on_schema_change, made, existing) -%}
    {%- set strategy = adapter.get_incremental_strategy_macro(context, config.get('incremental_strategy') or 'default') -%}
    {{ return(strategy({
        'target_relation': existing,
        'temp_relation': made,
        'unique_key': config.get('unique_key'),
        'dest_columns': columns or adapter.get_columns_in_relation(existing),
        'incremental_predicates': config.get('predicates') or config.get('incremental_predicates')
    })) }}
{%- endmacro %}


{#- Begin the transaction in which a relation is replaced: from here on it is gone. (None where rows are added.) -#}
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
