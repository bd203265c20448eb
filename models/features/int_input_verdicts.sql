-- What was rejected of every input, and whether that is too much to go on. Rows left out on request (a
-- sales_window, `duplicate_sales: reject`, `returns: reject`) and repeated products count neither as rejected
-- nor as given. Products are judged by the sales that they lose: one that nobody sells may lack a need state.
-- The check before the build judges values that cannot be read one column at a time; this one judges all losses.
{% set most = setting('max_rejected_share') or 0 %}

with outcomes as (
    select
        rejection_reason as reason,
        sum(n_rows) as n_rows,
        sum(sales_amount - 2 * coalesce(returned_amount, 0)) as amount,
        min(rejected_value) as example
    from {{ ref('int_sales_outcomes') }}
    group by all
),

products as (
    {{ validated_products() | indent(4) }}
),

{% for source_name in external_sources() %}
    {{ source_name }} as (
        {{ validated_external(source_name) | indent(8) }}
    ),

{% endfor %}

reasons as (
    select
        'sales' as input,
        reason,
        n_rows,
        amount,
        example
    from outcomes
    union all
    select
        'products' as input,
        _rejection_reason as reason,
        count(*) as n_rows,
        null as amount,
        min(product_id) as example
    from products
    group by all
    {%- for source_name in external_sources() %}
        union all
        select
            '{{ source_name }}' as input,
            _rejection_reason as reason,
            count(*) as n_rows,
            null as amount,
            null as example
        from {{ source_name }}
        group by all
    {%- endfor %}
    union all
    select
        input,
        reason,
        count(*) as n_rows,
        null as amount,
        min(text) as example
    from {{ source('run_log', 'unreadable_lines') }}
    group by all
),

counted as (
    select *
    from reasons
    where
        reason is null
        or reason not in (
            'sales_amount is negative',
            'sold_on is before the sales_window',
            'sold_on is after the sales_window',
            'row repeats another one exactly',
            'product and need state repeat an earlier row'
        )
),

totals as (
    select
        input,
        sum(n_rows) as n_rows,
        coalesce(sum(n_rows) filter (where reason is not null), 0) as n_rejected_rows,
        sum(amount) as amount,
        if(sum(amount) is null, null, coalesce(sum(amount) filter (where reason is not null), 0)) as rejected_amount
    from counted
    group by all
),

accepted as (
    select
        input,
        sum(n_rows) as n_rows
    from reasons
    where reason is null
    group by all
),

described as (
    select
        input,
        string_agg(
            reason
            || ' ('
            || {{ readable_percent('coalesce(amount / nullif(amount_of_input, 0), n_rows / n_rows_of_input)::double') }}
            || if(amount is null, ' of the rows', ' of the sales')
            || if(trim(example) <> '', ', such as `' || left(example, 60) || '`', '')
            || ')',
            '; ' order by amount desc nulls last, n_rows desc, reason asc
        ) as reasons
    from (
        select
            *,
            sum(n_rows) over (partition by input) as n_rows_of_input,
            sum(amount) over (partition by input) as amount_of_input
        from reasons
    ) as reasons_of_inputs
    where reason is not null
    group by all
),

-- ids that the two inputs of a join do not share
sales_stores as (
    select distinct store_id as id
    from {{ ref('int_sales_outcomes') }}
    where rejection_reason is null
),

ids as (
    select distinct
        'sales' as input,
        'products' as other_input,
        product_id as id,
        product_group is not null as is_matched
    from {{ ref('stg_internal__sales_products') }}
    where product_id is not null
    {%- for source_name in external_sources() if has_input('sales') %}
        union all
        select distinct
            '{{ source_name }}' as input,
            'sales' as other_input,
            store_id as id,
            store_id in (select id from sales_stores) as is_matched
        from {{ source_name }}
        where _rejection_reason is null
    {%- endfor %}
),

unmatched_ids as (
    select
        input,
        id
    from ids
    where not is_matched
),

-- the ids they could be, and what keeps them from being it
candidates as (
    select
        unmatched_ids.input,
        unmatched_ids.id,
        candidate_ids.id as candidate,
        ltrim(unmatched_ids.id, '0') <> ltrim(candidate_ids.id, '0') as differs_in_case,
        lower(unmatched_ids.id) <> lower(candidate_ids.id) as differs_in_zeros
    from unmatched_ids
    inner join (
        select
            'products' as input,
            product_id as id
        from {{ ref('stg_internal__products') }}
        union
        select
            'sales' as input,
            id
        from sales_stores
    ) as candidate_ids
        on
            if(unmatched_ids.input = 'sales', 'products', 'sales') = candidate_ids.input
            and ltrim(lower(unmatched_ids.id), '0') = ltrim(lower(candidate_ids.id), '0')
),

near_matches as (
    select
        input,
        count(distinct id) as n_near_ids,
        min([id, candidate]) as example,
        concat_ws(
            ', ',
            if(bool_or(differs_in_zeros), 'leading_zeros', null),
            if(bool_or(differs_in_case), 'case', null)
        ) as differences
    from candidates
    group by all
),

matches as (
    select
        ids.input,
        any_value(ids.other_input) as other_input,
        count(*) as n_ids,
        count(*) filter (where ids.is_matched) as n_matched_ids,
        min(ids.id) filter (where not ids.is_matched) as example
    from ids
    group by ids.input
),

hints as (
    select
        matches.*,
        near_matches.n_near_ids,
        format(
            '{:,} of the {:,} {} ids of {} are not in {}, but {:,} of them would be: `{}` and `{}`, for example;'
            || ' set segmentation.ignore_in_ids: [{}]',
            matches.n_ids - matches.n_matched_ids,
            matches.n_ids,
            if(matches.input = 'sales', 'product', 'store'),
            matches.input,
            matches.other_input,
            near_matches.n_near_ids,
            near_matches.example[1],
            near_matches.example[2],
            near_matches.differences
        ) as hint
    from matches
    left join near_matches
        on matches.input = near_matches.input and near_matches.n_near_ids > 0.2 * matches.n_ids
),

judged as (
    select
        totals.*,
        coalesce(accepted.n_rows, 0) as n_accepted_rows,
        described.reasons,
        hints.n_ids,
        hints.n_matched_ids,
        hints.hint,
        (totals.n_rejected_rows / nullif(totals.n_rows, 0))::double as rejected_share_of_rows,
        (totals.rejected_amount / nullif(totals.amount, 0))::double as rejected_share_of_amount,
        hints.other_input,
        hints.example as unmatched_id
    from totals
    left join accepted on totals.input = accepted.input
    left join described on totals.input = described.input
    left join hints on totals.input = hints.input
)

select
    -- text
    input,
    reasons as rejection_reasons,
    hint as id_hint,
    case
        when n_accepted_rows = 0 and input in ('sales', 'products')
            then 'no row was accepted: ' || coalesce(reasons, 'the input has no rows')
        when input <> 'products' and greatest(rejected_share_of_amount, rejected_share_of_rows) > {{ most }}
            then
                {{ readable_percent('coalesce(rejected_share_of_amount, rejected_share_of_rows)') }}
                || if(
                    rejected_share_of_amount is null,
                    format(' of the rows ({:,} of {:,})', n_rejected_rows::bigint, n_rows::bigint),
                    ' of the sales (' || {{ readable_part('rejected_amount', 'amount') }} || '), '
                    || {{ readable_percent('rejected_share_of_rows') }} || ' of the rows,'
                )
                || ' were rejected: ' || reasons
        when n_matched_ids = 0 and n_ids > 0
            then format('none of the {:,} ids, such as `{}`, is in {}', n_ids, unmatched_id, other_input)
    end as refusal,

    -- numbers
    n_rows::bigint as n_rows,
    n_rejected_rows::bigint as n_rejected_rows,
    amount as sales_amount,
    rejected_amount,
    greatest(rejected_share_of_amount, rejected_share_of_rows) as rejected_share,
    n_ids,
    n_matched_ids
from judged
order by input
