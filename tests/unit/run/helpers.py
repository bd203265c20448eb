"""An invocation and a database as the hooks see them."""

from __future__ import annotations

from typing import Any

from segmentation.run.invocation import Invocation


def invocation(**changed: Any) -> Invocation:
    """A `dbt build` of the example, some of it changed."""
    fields: dict[str, Any] = {
        "run_id": "run-1",
        "command": "build",
        "started_at": "2026-03-01 08:00:00.000000",
        "target_name": "duckdb",
        "database": "memory",
        "path": ":memory:",
        "project_dir": "/nowhere",
        "is_empty": False,
        "published": "",
        "variables": {"inputs": {}, "external_sources": [], "segmentation": {}},
        "known_sources": ["demographics"],
    }
    return Invocation(**{**fields, **changed})
