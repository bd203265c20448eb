"""Builds that several tests read; each worker of pytest-xdist has its own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .helpers import OWN_INPUTS, THREE_CLUSTERS, Built, DbtRun, Project, small_inputs


@dataclass(frozen=True)
class SeedsBuild:
    """The project after one complete `dbt build` of the example seeds, and what dbt said."""

    project: Project
    run: DbtRun


@pytest.fixture(scope="session")
def seeds_build(tmp_path_factory: pytest.TempPathFactory) -> SeedsBuild:
    """Run `dbt build` with nothing given: seeds, models, snapshot and data tests."""
    project = Project(tmp_path_factory.mktemp("seeds"))
    return SeedsBuild(project, project.dbt("build"))


@pytest.fixture(scope="session")
def small_build(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the small inputs once, without tests; later builds continue in copies of it."""
    folder = tmp_path_factory.mktemp("small")
    project = Project(folder / "build")
    variables = {**small_inputs().write(folder / "inputs"), "segmentation": THREE_CLUSTERS}
    return Built(project, variables, project.build(*OWN_INPUTS, variables=variables))
