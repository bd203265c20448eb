"""What dbt's docs say of the built database."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .conftest import SeedsBuild
from .helpers import REPOSITORY, Built


@pytest.fixture(scope="module")
def docs(seeds_build: SeedsBuild) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and catalog of the seeds build."""
    run = seeds_build.project.dbt("docs generate", "--no-partial-parse")
    assert run.success, run.shown
    target = seeds_build.project.folder / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    catalog = json.loads((target / "catalog.json").read_text())
    return manifest, catalog


def test_every_resource_and_argument_is_described(
    docs: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    manifest, _ = docs
    own = [
        resource
        for kind in ("nodes", "sources", "exposures", "macros", "unit_tests")
        for resource in manifest[kind].values()
        if resource["package_name"] == "store_segments"
        and resource["resource_type"] != "operation"  # hooks
        and not resource.get("test_metadata")  # `unique` of a column says what it is
    ]
    kinds = {resource["resource_type"] for resource in own}
    assert kinds == {
        *("analysis", "model", "seed", "snapshot", "source"),
        *("exposure", "macro", "test", "unit_test"),
    }
    assert [resource["name"] for resource in own if not resource["description"]] == []
    assert [
        f"{macro['name']}({argument['name']})"
        for macro in own
        if macro["resource_type"] == "macro"
        for argument in macro["arguments"]
        if not argument["description"]
    ] == []


def test_every_column_of_the_database_is_described(
    docs: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    manifest, catalog = docs

    def described(unique_id: str, node: dict[str, Any]) -> dict[str, Any]:
        """Columns of a node; `int_x` has those of the mart `x`, which publishes it as it is."""
        mart = manifest["nodes"].get(unique_id.replace(".int_", "."), node)
        return {**mart["columns"], **node["columns"]}

    undescribed = [
        f"{node['name']}.{column}"
        for kind in ("nodes", "sources")
        for unique_id, table in catalog[kind].items()
        for node in [manifest[kind][unique_id]]
        for column in table["columns"]
        if not described(unique_id, node).get(column, {}).get("description")
    ]
    assert len(catalog["nodes"]) >= 40
    assert {source["metadata"]["name"] for source in catalog["sources"].values()} == {
        *("runs", "run_nodes", "unread_inputs", "input_remarks"),
        *("unreadable_lines", "profiled_columns"),
    }
    assert undescribed == []


def test_the_first_sentence_of_a_model_is_its_grain(
    docs: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    manifest, _ = docs
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(models) >= 30
    assert [
        model["name"] for model in models if not model["description"].startswith("One row per ")
    ] == []


def test_every_model_but_inputs_descends_from_an_input(
    docs: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    manifest, _ = docs
    parents = manifest["parent_map"]

    def ancestors(unique_id: str) -> set[str]:
        found = set(parents[unique_id])
        return found.union(*(ancestors(parent) for parent in found))

    lineage = ancestors("model.store_segments.store_segments")
    assert {f"seed.store_segments.raw_{name}" for name in ("sales", "products")} <= lineage
    assert "model.store_segments.internal_cluster_models" in lineage
    assert "model.store_segments.external_cluster_models" in lineage


def test_the_queries_of_the_runbook_have_an_answer(small_build: Built) -> None:
    text = (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8")
    queries = [
        query
        for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
        for query in block.split(";")
        if query.strip()
    ]
    queries += re.findall(r"`(select .*?)`", text)
    assert len(queries) >= 5
    for query in queries:
        assert small_build.project.query(query).width > 0
