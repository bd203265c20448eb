"""The data contract as a text of the standard."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from segmentation.publishing.contract import contract_path, data_contract
from segmentation.publishing.publish import Table

#: That of the standard, as its package brings it.
SCHEMA = files("open_data_contract_standard") / "schema.json"
PUBLISHED = Path("published/stores.duckdb")
STORES = Table(
    "segments",
    "stores",
    "One row per store.\n\n![Map](assets/map.png)",
    {"category": "Its category.", "store_id": "Its id."},
    ["category", "store_id"],
    types={
        "store_id": "varchar",
        "category": "varchar",
        "sales": "decimal(18, 2)",
        "peers": "struct(store_id varchar, distances double[])[]",
    },
    required=frozenset({"sales"}),
    labels={"owner": "retail_analytics"},
)


def contract(*tables: Table) -> dict[str, Any]:
    """The contract of some tables as a dictionary."""
    read: dict[str, Any] = yaml.safe_load(data_contract(tables, PUBLISHED))
    return read


def columns(*tables: Table) -> dict[str, dict[str, Any]]:
    """The columns of the first table of a contract by name."""
    return {column["name"]: column for column in contract(*tables)["schema"][0]["properties"]}


def test_the_contract_follows_the_schema_of_the_standard() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(contract(STORES), schema)
    broken = contract(STORES) | {"kind": "Something else"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_a_column_has_its_place_in_the_key_and_is_never_null_there() -> None:
    found = columns(STORES)
    assert [found[name].get("primaryKeyPosition") for name in ("category", "store_id")] == [1, 2]
    required = {name for name, column in found.items() if column.get("required")}
    assert required == {"category", "store_id", "sales"}
    assert found["store_id"]["description"] == "Its id."


def test_nested_types_are_described_down_to_their_elements() -> None:
    found = columns(STORES)
    assert found["sales"]["physicalType"] == "DECIMAL(18,2)"
    assert found["sales"]["logicalType"] == "number"
    items = found["peers"]["items"]
    store_id, distances = items["properties"]
    assert (items["logicalType"], store_id["name"], store_id["logicalType"]) == (
        "object",
        "store_id",
        "string",
    )
    assert distances["items"]["logicalType"] == "number"


def test_tables_that_dbt_does_not_hold_to_a_contract_are_left_out() -> None:
    assert [table["name"] for table in contract(Table("segments", "free"), STORES)["schema"]] == [
        "stores"
    ]


def test_a_description_is_one_line_without_pictures_and_the_owner_is_named() -> None:
    (table,) = contract(STORES)["schema"]
    assert table["description"] == "One row per store."
    assert table["customProperties"] == [{"property": "owner", "value": "retail_analytics"}]


def test_the_contract_is_beside_the_published_file_and_names_it_without_its_folder() -> None:
    assert contract_path(PUBLISHED) == Path("published/stores.odcs.yaml")
    assert contract(STORES)["servers"][0]["database"] == "stores.duckdb"
