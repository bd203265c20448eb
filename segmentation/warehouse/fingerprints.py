"""One hash per table, of what does not depend on when and in which order things happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from segmentation.warehouse.database import sql_name

#: Layers whose tables follow from inputs and settings alone.
SCHEMAS: Final = ("features", "lanes", "segments", "governance")
#: Name in a node's or a column's `meta` that takes it out: it tells of the run, not of the data.
#: `true`, or for a table an SQL condition on its rows.
RUN_SPECIFIC: Final = "run_specific"


@dataclass(frozen=True)
class Fingerprint:
    """Number of rows and SHA-256 of a table's rows; their order does not matter."""

    n_rows: int
    sha256: str


def table_fingerprints(database: Path, manifest: Mapping[str, Any]) -> dict[str, Fingerprint]:
    """Fingerprint of every model and snapshot of a built project.

    Rows are written as JSON, which gives every number back as it is, hashed, sorted, and hashed
    together. Tables and columns with `run_specific` in their `meta` are left out; where a table has
    a condition there, only the rows that fulfil it.

    Parameters
    ----------
    database
        DuckDB file.
    manifest
        Content of dbt's `manifest.json` of the build.

    Returns
    -------
    dict
        `schema.table` to fingerprint, sorted.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            f"{node['schema']}.{node['alias']}": _fingerprint(connection, node)
            for node in sorted(
                _lasting_nodes(manifest), key=lambda node: (node["schema"], node["alias"])
            )
        }


def differing_tables(
    first: Mapping[str, Fingerprint], other: Mapping[str, Fingerprint]
) -> list[str]:
    """Tables whose fingerprints differ, or that only one side has, sorted."""
    return sorted(name for name in {*first, *other} if first.get(name) != other.get(name))


def _lasting_nodes(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Models and snapshots of the layers, without those that tell of runs as a whole."""
    for node in manifest["nodes"].values():
        is_table = node["resource_type"] in {"model", "snapshot"} and node["schema"] in SCHEMAS
        if is_table and _run_specific(node) is not True:
            yield node


def _run_specific(described: Mapping[str, Any]) -> bool | str:
    """What `meta` of a node or column says of it; dbt keeps it in one place or the other."""
    meta = {**described.get("meta", {}), **described.get("config", {}).get("meta", {})}
    said: bool | str = meta.get(RUN_SPECIFIC, False)
    return said


def _fingerprint(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any]) -> Fingerprint:
    """Number of rows and hash of one table or view."""
    relation = f"{sql_name(node['schema'])}.{sql_name(node['alias'])}"
    left_out = [name for name, column in node["columns"].items() if _run_specific(column)]
    names = [
        name
        for (name, *_) in connection.execute(f"describe {relation}").fetchall()
        if name not in left_out
    ]
    of_the_run = _run_specific(node) or "false"
    return relation_fingerprint(
        connection,
        f"(select {', '.join(map(sql_name, names))} from {relation}"  # noqa: S608
        f" where ({of_the_run}) is distinct from true)",
    )


def relation_fingerprint(connection: duckdb.DuckDBPyConnection, relation: str) -> Fingerprint:
    """Number of rows and hash of a table, or of a query in parentheses."""
    row = connection.execute(
        f"""
        select count(*), sha256(coalesce(string_agg(hash, '' order by hash), ''))
        from (select sha256(to_json(content)::varchar) as hash from {relation} as content)
        """  # noqa: S608
    ).fetchone()
    assert row is not None  # noqa: S101 (an aggregate has one row)
    return Fingerprint(*row)
