"""What of dbt's graph is published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segmentation.run.invocation import NodeResult
from segmentation.run.publication import Publication


def node(name: str, **changed: Any) -> dict[str, Any]:
    """A model of the graph with two columns."""
    return {
        "unique_id": f"model.{name}",
        "schema": "segments",
        "alias": name,
        "description": f"About {name}.",
        "columns": {column: {"name": column, "description": column} for column in ("a", "b")},
        "config": {"materialized": "table"},
        "raw_code": "select 1",
        **changed,
    }


def grain(name: str, columns: list[str], of: str) -> dict[str, Any]:
    """A data test `grain` of a model."""
    return {
        "unique_id": f"test.{name}",
        "test_metadata": {"kwargs": {"columns": columns}},
        "depends_on": {"nodes": [f"model.{of}"]},
    }


def publication(**parts: list[dict[str, Any]]) -> Publication:
    """What is published of a graph."""
    empty: dict[str, list[dict[str, Any]]] = {
        key: [] for key in ("nodes", "sources", "grains", "analyses")
    }
    return Publication.from_json(json.dumps({**empty, **parts}))


def test_a_table_has_its_descriptions_and_the_first_key_of_columns_alone() -> None:
    grains = [
        grain("1", ["coalesce(a, b)"], "one"),
        grain("2", ["b"], "one"),
        grain("3", ["a"], "one"),
    ]
    (table,) = publication(nodes=[node("one")], grains=grains).tables
    assert (table.schema, table.name, table.description) == ("segments", "one", "About one.")
    assert table.columns == {"a": "a", "b": "b"}
    assert list(table.key) == ["b"]
    assert table.view == ""


def test_a_view_brings_its_model_and_a_source_its_identifier() -> None:
    view = node("seen", config={"materialized": "view"})
    source = node("log", identifier="runs")
    del source["alias"]
    found = publication(nodes=[view], sources=[source])
    assert [(table.name, table.view) for table in found.tables] == [
        ("seen", "select 1"),
        ("runs", ""),
    ]
    assert found.node_ids == ["model.seen"]


def test_analyses_become_queries() -> None:
    analysis = {"unique_id": "analysis.q", "name": "q", "description": "Q.", "raw_code": "from t"}
    (query,) = publication(analyses=[analysis]).queries
    assert (query.name, query.description, query.template) == ("q", "Q.", "from t")


@pytest.mark.parametrize(
    ("statuses", "is_complete"),
    [
        ({"one": "success", "two": "success"}, True),
        ({"one": "success", "two": "success", "a_test": "warn"}, True),
        ({"one": "success", "two": "success", "an_exposure": "no-op"}, True),
        ({"one": "success", "two": "success", "a_test": "fail"}, False),
        ({"one": "success", "two": "skipped"}, False),
        ({"one": "success"}, False),
        ({}, False),
    ],
)
def test_a_build_is_complete_if_all_tables_were_made_and_nothing_failed(
    statuses: dict[str, str], is_complete: bool
) -> None:
    results = [
        NodeResult(f"model.{name}", name, "model", status, 0.0) for name, status in statuses.items()
    ]
    assert publication(nodes=[node("one"), node("two")]).is_complete(results) is is_complete
