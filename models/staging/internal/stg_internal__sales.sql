-- The one place that says which sales count: `rejection_reason` is null for an accepted row. Sums and
-- `rejected_rows` both read this view, so that they cannot disagree.
{% set window = setting('sales_window') or {} %}
{% set rejects_copies = setting('duplicate_sales') == 'reject' %}
{% set is_loaded_text = is_loaded('sales') %}

with typed as (
    select
        sales_stores.store_id,
        sales_products.product_id,
        sales_products.product_group,
        {{ as_amount('_input.sales_amount') | indent(8) }} as sales_amount,
        try_cast(_input.units as decimal(18, 4)) as units,
        {{ as_date('_input.sold_on') | indent(8) }} as sold_on,
        _input.store_id as given_store_id,
        _input.product_id as given_product_id,
        _input.sales_amount as given_amount,
        _input.units as given_units,
        _input.sold_on as given_date,
        _input.store_id is not null and sales_stores.given_id is null as is_new_store_id,
        _input.product_id is not null and sales_products.given_id is null as is_new_product_id,
        {%- if rejects_copies %}
        row_number() over (partition by _input) as copy_number,
        {%- endif %}
        {{ '_input.rowid' if is_loaded_text else 'null::bigint' }} as row_number,
        _input
    from {{ ref('stg_internal__sales_rows') }} as _input
    left join {{ ref('stg_internal__sales_stores') }} as sales_stores on _input.store_id = sales_stores.given_id
    left join {{ ref('stg_internal__sales_products') }} as sales_products on _input.product_id = sales_products.given_id
),

judged as (
    select
        *,
        case
            when is_new_store_id or is_new_product_id then error({{ sql_text(sales_have_changed()) }})::varchar
            when store_id is null then 'store_id is missing'
            when product_id is null then 'product_id is missing'
            when sales_amount is null
                then case
                    when {{ meaning(tidy_text('given_amount')) }} is null then 'sales_amount is missing'
                    when try_cast({{ tidy_text('given_amount') }} as double) is null
                        then 'sales_amount is not a number'
                    when not isfinite(try_cast({{ tidy_text('given_amount') }} as double))
                        then 'sales_amount is not finite'
                    else 'sales_amount is too large'
                end
            {%- if setting('returns') == 'reject' %}
            when sales_amount < 0 then 'sales_amount is negative'
            {%- endif %}
            {%- if window.get('start') or window.get('end') %}
            when sold_on is null and {{ meaning(tidy_text('given_date')) }} is null
                then 'sold_on is missing and a sales_window is set'
            when sold_on is null then 'sold_on is not a date'
            {%- endif %}
            {%- if window.get('start') %}
            when sold_on < date '{{ window.start }}' then 'sold_on is before the sales_window'
            {%- endif %}
            {%- if window.get('end') %}
            when sold_on > date '{{ window.end }}' then 'sold_on is after the sales_window'
            {%- endif %}
            when product_group is null then 'product_id has no accepted row in products'
            {%- if rejects_copies %}
            when copy_number > 1 then 'row repeats another one exactly'
            {%- endif %}
        end as rejection_reason,
        case
            when sold_on is null and given_date is not null
                then if({{ meaning(tidy_text('given_date')) }} is null, null, given_date::varchar)
        end as unread_date
    from typed
)

select
    -- ids
    store_id,
    product_id,

    -- text
    rejection_reason,
    case split_part(rejection_reason, ' ', 1)
        when 'store_id' then given_store_id::varchar
        when 'product_id' then given_product_id::varchar
        when 'sales_amount' then given_amount::varchar
        when 'units' then given_units::varchar
        when 'sold_on' then given_date::varchar
    end as rejected_value,
    unread_date,
    {{ row_as_json('_input') | indent(4) }} as input_row,

    -- numbers
    hash(_input) as row_hash,
    row_number,
    product_group,
    sales_amount,
    units,

    -- dates
    sold_on
from judged
