"""The data contract of the published tables, in the Open Data Contract Standard (ODCS).

The standard's own library writes it; `datacontract-cli` and data catalogs read it
(https://bitol-io.github.io/open-data-contract-standard).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import duckdb
from duckdb.sqltypes import DuckDBPyType
from open_data_contract_standard.model import (
    CustomProperty,
    Description,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    Server,
)

import segmentation
from segmentation.publishing.publish import Table, plain_text

#: What tells the contract of this project from others.
_ID: Final = "store_segments"
#: Logical types of the standard, by the id of DuckDB's type.
_LOGICAL_TYPES: Final[Mapping[str, str]] = {
    "varchar": "string",
    "double": "number",
    "decimal": "number",
    "bigint": "integer",
    "integer": "integer",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "list": "array",
    "struct": "object",
}


def contract_path(published: Path) -> Path:
    """Where the contract is: beside the published file."""
    return published.with_suffix(".odcs.yaml")


def has_contract(published: Path) -> bool:
    """Whether the contract beside a file is one of this project, as it is for published files."""
    try:
        text = contract_path(published).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return f"id: {_ID}" in text.splitlines()


def data_contract(tables: Iterable[Table], published: Path) -> str:
    """The contract as YAML; the same tables give the same text.

    It has the tables whose contract dbt enforces, with their columns, types, keys and columns that
    are never null. The server is the published file by its name alone, so that file and contract
    can be moved together.

    Parameters
    ----------
    tables
        What is published.
    published
        The published file.
    """
    contract = OpenDataContractStandard(
        apiVersion="v3.1.0",
        kind="DataContract",
        id=_ID,
        name="Store segments",
        version=segmentation.__version__,
        status="active",
        description=Description(
            purpose="Groups of stores with a similar sales mix in similar surroundings, per product"
            " category, and the figures that explain them.",
            usage="Read the tables of the published DuckDB file; a build without errors replaces"
            " the file as a whole.",
        ),
        servers=[Server(server="published", type="duckdb", database=published.name, schema="main")],
        schema=[_schema(table) for table in tables if table.types],
    )
    return contract.to_yaml()


def _schema(table: Table) -> SchemaObject:
    """A table of the contract."""
    return SchemaObject(
        id=table.name,
        name=table.name,
        physicalType="view" if table.view else "table",
        description=plain_text(table.description),
        customProperties=[
            CustomProperty(property=name, value=value) for name, value in table.labels.items()
        ],
        properties=[_column(table, name) for name in table.types],
    )


def _column(table: Table, name: str) -> SchemaProperty:
    """A column of a table, with its place in the key."""
    column = _of_type(name, duckdb.sqltype(table.types[name]))
    column.description = plain_text(table.columns.get(name, ""))
    column.required = name in table.required or name in table.key
    if name in table.key:
        column.primaryKey = True
        column.primaryKeyPosition = list(table.key).index(name) + 1
    return column


def _of_type(name: str, given: DuckDBPyType) -> SchemaProperty:
    """A property of a type, with what it is made of."""
    column = SchemaProperty(
        name=name, physicalType=str(given), logicalType=_LOGICAL_TYPES[given.id]
    )
    if given.id in {"list", "struct"}:
        parts = [
            _of_type(part, of_part)
            for part, of_part in given.children
            if isinstance(of_part, DuckDBPyType)  # always; those of a decimal are numbers
        ]
        if given.id == "list":
            (column.items,) = parts
            column.items.name = None
        else:
            column.properties = parts
    return column
