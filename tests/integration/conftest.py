"""Builds that several tests read; each worker of pytest-xdist has its own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .helpers import DbtRun, Project


@dataclass(frozen=True)
class SeedsBuild:
    """The project after one complete `dbt build` of the example seeds, and what dbt said."""

    project: Project
    run: DbtRun


@pytest.fixture(scope="session")
def seeds_build(tmp_path_factory: pytest.TempPathFactory) -> SeedsBuild:
    """Run `dbt build` with nothing given: seeds, models, snapshot, data tests and unit tests."""
    project = Project(tmp_path_factory.mktemp("seeds"))
    return SeedsBuild(project, project.dbt("build"))
