"""What of dbt's graph is published: the marts, the history, the run log and the analyses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from segmentation.publishing.publish import Query, Table
from segmentation.run.invocation import SUCCESSES, NodeResult

#: Commands after which a complete build is published.
COMMANDS = ("build", "run", "retry")
#: Keys of `meta` that the data contract has as properties of a table.
LABELS = ("owner", "sensitivity")


@dataclass(frozen=True)
class Publication:
    """Tables and queries to publish, and the ids of the nodes that make the tables."""

    tables: Sequence[Table]
    queries: Sequence[Query]
    node_ids: Sequence[str]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the JSON object of the macro `published_graph`.

        Its keys are lists of nodes of dbt's manifest: `nodes` (models and snapshots of the
        published schemas), `sources` (the run log), `grains` (data tests `grain`) and `analyses`.
        """
        graph = {
            part: sorted(nodes, key=lambda node: str(node["unique_id"]))
            for part, nodes in json.loads(text).items()
        }
        return cls(
            tables=[
                *(_table(node, node["alias"], graph["grains"]) for node in graph["nodes"]),
                *(_table(node, node["identifier"], graph["grains"]) for node in graph["sources"]),
            ],
            queries=[
                Query(node["name"], node["description"], node["raw_code"])
                for node in graph["analyses"]
            ],
            node_ids=[node["unique_id"] for node in graph["nodes"]],
        )

    def is_complete(self, results: Sequence[NodeResult]) -> bool:
        """Whether a run made every published table and nothing in it failed."""
        made = {result.node_id for result in results if result.status == "success"}
        return made.issuperset(self.node_ids) and all(
            result.status in SUCCESSES for result in results
        )


def _table(node: Mapping[str, Any], name: str, grains: Sequence[Mapping[str, Any]]) -> Table:
    """What the published file says of a table.

    Its key is the one that the data tests check: the first `grain` that is made of columns alone.
    """
    columns = {column["name"]: column["description"] for column in node["columns"].values()}
    keys = (
        grain["test_metadata"]["kwargs"]["columns"]
        for grain in grains
        if node["unique_id"] in grain["depends_on"]["nodes"]
    )
    is_view = node["config"].get("materialized") == "view"
    is_enforced = node["config"].get("contract", {}).get("enforced", False)
    contracted = node["columns"].values() if is_enforced else ()
    meta = node["config"].get("meta", {})
    return Table(
        schema=node["schema"],
        name=name,
        description=node["description"],
        columns=columns,
        key=next((key for key in keys if columns.keys() >= set(key)), ()),
        view=node["raw_code"] if is_view else "",
        types={column["name"]: column["data_type"] for column in contracted},
        required=frozenset(column["name"] for column in contracted if _is_required(column)),
        labels={name: meta[name] for name in LABELS if name in meta},
    )


def _is_required(column: Mapping[str, Any]) -> bool:
    """Whether the contract of dbt says that a column is never null."""
    return any(constraint["type"] == "not_null" for constraint in column["constraints"])
