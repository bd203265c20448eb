"""`make demo`: The Complete Journey, from the package's files to segments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .helpers import REPOSITORY, DbtRun, Project


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, DbtRun]:
    """Prepare the panel and build it with the vars of the demo, data tests included."""
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run(
        [
            sys.executable,
            str(REPOSITORY / "scripts/prepare_complete_journey.py"),
            "--output",
            str(folder / "data"),
        ],
        check=True,
        capture_output=True,
    )
    variables: dict[str, Any] = yaml.safe_load((REPOSITORY / "demo/vars.yml").read_text())
    variables["inputs"] = {
        name: str(folder / "data" / Path(location).name)
        for name, location in variables["inputs"].items()
    }
    project = Project(folder)
    run = project.dbt("build", variables=variables)
    return project, run


def test_the_panel_builds_and_passes_every_data_test(demo: tuple[Project, DbtRun]) -> None:
    _, run = demo
    assert run.success, run.shown
    assert run.lines_with("430 stores, 430 with sales, 268 with external data")


def test_thin_stores_are_scored_and_do_not_learn(demo: tuple[Project, DbtRun]) -> None:
    project, _ = demo
    thin = project.query(
        """
        select count(*) as n_thin, count(cluster) as n_scored
        from lanes.internal_clusters
        where is_thin_history
        """
    )
    assert thin["n_thin"].item() > 1000
    assert thin["n_scored"].item() == thin["n_thin"].item()
    trained, scored = project.query(
        """
        select n_stores, (select count(*) from lanes.internal_clusters where scope = 'Grocery')
        from governance.model_registry where scope = 'Grocery'
        """
    ).row(0)
    assert trained < scored / 2


@pytest.mark.parametrize("scope", ["Grocery", "Produce"])
def test_a_department_without_groups_says_so(demo: tuple[Project, DbtRun], scope: str) -> None:
    project, _ = demo
    status, reason, k = project.query(
        "select status, reason, k from governance.model_registry where scope = ?", [scope]
    ).row(0)
    assert (status, k) == ("no_structure", 1)
    assert "one cluster describes the stores best" in reason
