"""OpenLineage events of a build, written to a file by the integration's own wrapper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .helpers import OWN_INPUTS, THREE_CLUSTERS, Project, small_inputs


def build_with_events(project: Project, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """Build through `dbt-ol`, as `make lineage` does; return the events."""
    project.folder.mkdir(parents=True, exist_ok=True)
    events = project.folder / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    process = subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt-ol")),
            *project.command("build", variables),
            *OWN_INPUTS,
        ],
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            **project.environment,
            "OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "OPENLINEAGE_NAMESPACE": "store_segments",
        },
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return [json.loads(line) for line in events.read_text().splitlines()]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Events of one build of the small inputs."""
    folder = tmp_path_factory.mktemp("lineage")
    variables = {**small_inputs().write(folder / "inputs"), "segmentation": THREE_CLUSTERS}
    return build_with_events(Project(folder / "build"), variables)


def outputs(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Table to the tables it was made of, as the completed runs say."""
    return {
        made["name"].split(".", 1)[1]: sorted(
            read["name"].split(".", 1)[1] for read in event["inputs"]
        )
        for event in events
        if event["eventType"] == "COMPLETE"
        for made in event["outputs"]
    }


def test_every_table_has_an_event_that_names_what_it_was_made_of(
    events: list[dict[str, Any]],
) -> None:
    made = outputs(events)
    assert len(made) >= 40
    assert "lanes.merged_segments" in made["lanes.int_store_segments"]
    assert made["lanes.internal_cluster_models"] == [
        "features.feat_internal",
        "features.scope_features",
    ]


def test_every_run_that_starts_completes(events: list[dict[str, Any]]) -> None:
    runs = {
        kind: {event["run"]["runId"] for event in events if event["eventType"] == kind}
        for kind in ("START", "COMPLETE")
    }
    assert runs["START"] == runs["COMPLETE"]
    assert len(runs["START"]) >= 40
