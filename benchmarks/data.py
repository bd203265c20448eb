"""Made data, the same on every machine: DuckDB writes it from hashes of row numbers, into a cache.

The cache is `$STORE_SEGMENTS_BENCH` or `~/.cache/store_segments_bench`, outside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from segmentation.features.vectors import Matrix

#: Changes when the SQL below does, so that nobody measures on old files.
VERSION: Final = 2
STORES, PRODUCTS, CATEGORIES, NEED_STATES = 2_000, 5_000, 12, 12
#: Planted groups of stores, and rows between two of a kind of damaged ones.
GROUPS, DAMAGED_EVERY = 6, 1_000


def cache() -> Path:
    """Folder of the generated files."""
    given = os.environ.get("STORE_SEGMENTS_BENCH", "~/.cache/store_segments_bench")
    folder = Path(given).expanduser() / f"v{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sales(rows: int) -> Path:
    """Sales rows in Parquet, one in a thousand repeated, negative, or of an unknown product each.

    The day grows with the row, as in files that tills write.
    """
    return _written(
        f"sales-{rows}.parquet",
        f"""
        select
            'S' || lpad((1 + hash(4 * row) % {STORES})::varchar, 5, '0') as store_id,
            case when kind = 2 then 'unknown product'
                else 'P' || lpad((1 + hash(4 * row + 1) % {PRODUCTS})::varchar, 6, '0')
            end as product_id,
            date '2024-01-01' + (row * 366 // {rows})::integer as sold_on,
            case when kind = 1 then -1 else 1 end
            * ((1 + hash(4 * row + 2) % 10000) / 100)::decimal(10, 2) as sales_amount,
            (1 + hash(4 * row + 3) % 5)::integer as units
        from (
            select
                number - (number % {DAMAGED_EVERY} = 500)::integer as row,
                case number % {DAMAGED_EVERY} when 250 then 1 when 750 then 2 else 0 end as kind
            from range({rows}) as numbers (number)
        )
        """,
    )


def sales_text(rows: int) -> Path:
    """The rows of `sales` as CSV."""
    return _written(f"sales-{rows}.csv", f"from '{sales(rows)}'")


def products() -> Path:
    """Products, a need state each."""
    return _written(
        "products.parquet",
        f"""
        select
            'P' || lpad((1 + number)::varchar, 6, '0') as product_id,
            'Product ' || number as product_name,
            'Category ' || lpad((1 + number % {CATEGORIES})::varchar, 2, '0') as category,
            'Need ' || lpad((1 + number // {CATEGORIES} % {NEED_STATES})::varchar, 2, '0')
                as need_state
        from range({PRODUCTS}) as numbers (number)
        """,
    )


def demographics() -> Path:
    """Two columns for each store of the sales."""
    return _written(
        "demographics.parquet",
        f"""
        select
            'S' || lpad((1 + number)::varchar, 5, '0') as store_id,
            (20000 + hash(2 * number) % 100000)::double as median_income_usd,
            (hash(2 * number + 1) % 1000)::double as visits
        from range({STORES}) as numbers (number)
        """,
    )


def shop_sales(stores: int, categories: int) -> Path:
    """Sales of a product of each need state in every store, in planted groups of stores."""
    return _written(
        f"shop-sales-{stores}-{categories}.parquet",
        f"""
        select
            'S' || lpad(store::varchar, 7, '0') as store_id,
            category || '-' || need_state as product_id,
            date '2025-01-31' as sold_on,
            round(
                20 + 2 * (hash(-8 * (64 * category + need_state) - kind) % 1000)
                * (0.7 + 0.6 * (hash((4096 * store + category) * 64 + need_state) % 1000) / 1000), 2
            )::decimal(10, 2) as sales_amount,
            3 as units
        from (
            select
                store,
                category,
                (hash(4096 * store + category) % {GROUPS})::bigint as kind
            from range({stores}) as all_stores (store)
            cross join range({categories}) as all_categories (category)
        )
        cross join range({NEED_STATES}) as all_need_states (need_state)
        """,
    )


def shop_products(categories: int) -> Path:
    """The products of `shop_sales`."""
    return _written(
        f"shop-products-{categories}.parquet",
        f"""
        select
            category || '-' || need_state as product_id,
            'Category ' || lpad(category::varchar, 4, '0') as category,
            'Need ' || lpad(need_state::varchar, 2, '0') as need_state
        from range({categories}) as all_categories (category)
        cross join range({NEED_STATES}) as all_need_states (need_state)
        """,
    )


def shop_demographics(stores: int) -> Path:
    """Six columns for each store of `shop_sales`, in planted groups."""
    columns = ", ".join(
        f"100 + {_value(column, missing=False)} as column_{column}" for column in range(6)
    )
    return _written(
        f"shop-demographics-{stores}.parquet",
        f"""
        select
            'S' || lpad(store::varchar, 7, '0') as store_id,
            {columns}
        from range({stores}) as all_stores (store)
        """,
    )


def vectors(stores: int, features: int, missing: bool = False) -> Path:
    """`store_id` and vector `x` per store: planted groups, noise, and missing values if wanted."""
    return _written(
        f"vectors-{stores}-{features}{'-missing' if missing else ''}.parquet",
        f"""
        select
            'S' || lpad(store::varchar, 8, '0') as store_id,
            [
                {", ".join(_value(feature, missing) for feature in range(features))}
            ]::double[] as x
        from range({stores}) as all_stores (store)
        """,
    )


def matrix(stores: int, features: int) -> Matrix:
    """The vectors as a matrix, stores x features."""
    with duckdb.connect() as connection:
        values = connection.execute(
            f"select unnest(x) as value from '{vectors(stores, features)}'"
        ).fetchnumpy()["value"]
    return np.ascontiguousarray(values, dtype=np.float64).reshape(stores, features)


def _value(feature: int, missing: bool) -> str:
    """SQL of one feature: the mean of the store's group, and the sum of two even draws."""
    kind = f"(hash(1024 * store + 1023) % {GROUPS})::bigint"
    mean = f"(hash(-8 * {feature} - {kind}) % 4001) / 1000.0 - 2"
    draws = [f"hash(1024 * store + {4 * feature + draw}) % 1000001" for draw in range(2)]
    value = f"{mean} + ({draws[0]} + {draws[1]}) / 400000.0 - 2.5"
    if not missing:
        return value
    return f"if(hash(1024 * store + {4 * feature + 2}) % 50 = 0, null, {value})"


def _written(name: str, query: str) -> Path:
    """File of the cache, written first where it is not there yet, in the format of its suffix."""
    path = cache() / name
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with duckdb.connect() as connection:
            connection.execute("set preserve_insertion_order = false")
            connection.execute("set memory_limit = '4GB'")
            connection.execute(f"copy ({query}) to '{unfinished}' (format {path.suffix[1:]})")
        unfinished.replace(path)
    return path
