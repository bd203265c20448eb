"""What dbt's docs say of the built database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import SeedsBuild

#: Staging of external inputs passes every column through; only the id is the project's own.
PASSING_THROUGH = "stg_external__"


@pytest.fixture(scope="module")
def docs(seeds_build: SeedsBuild) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and catalog of the seeds build."""
    run = seeds_build.project.dbt("docs generate", "--no-partial-parse")
    assert run.success, run.shown
    target = seeds_build.project.folder / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    catalog = json.loads((target / "catalog.json").read_text())
    return manifest, catalog


def test_every_column_of_the_database_is_described(
    docs: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    manifest, catalog = docs
    undescribed = [
        f"{node['name']}.{column}"
        for unique_id, table in catalog["nodes"].items()
        for node in [manifest["nodes"][unique_id]]
        for column in table["columns"]
        if not node["columns"].get(column, {}).get("description")
        and not (node["name"].startswith(PASSING_THROUGH) and column != "store_id")
        and not column.startswith("dbt_")  # the snapshot's own validity columns
    ]
    assert len(catalog["nodes"]) >= 30
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
