"""Builds that several tests read; every process of pytest-xdist has a copy of the same one."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from .helpers import (
    OWN_INPUTS,
    REPOSITORY,
    THREE_CLUSTERS,
    WITHOUT_TESTS,
    Built,
    DbtRun,
    Project,
    small_inputs,
)

#: Vars of the worked example, from the repository.
CHAIN_VARS: Final = "demo/chain/vars.yml"

#: The files that take longest. The first of them needs no build that another process makes.
LONGEST: Final = ("test_bad_files.py", "test_promises.py", "test_crashes.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@dataclass(frozen=True)
class SeedsBuild:
    """The project after one complete `dbt build` of the example seeds, and what dbt said.

    `pictures` is the folder that the build drew into; `project` may be in another one.
    """

    project: Project
    run: DbtRun
    pictures: Path


def built_once(
    factory: pytest.TempPathFactory, name: str, build: Callable[[Project], DbtRun]
) -> tuple[Project, DbtRun, Project]:
    """Build in a folder that all processes of pytest-xdist know.

    The first process that asks builds, and others wait for it. Gives a copy for this process alone,
    what dbt said, and the original, which nobody may change.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    original = Project(root / name / "build")
    outcome = root / name / "run.json"
    outcome.parent.mkdir(exist_ok=True)
    with (root / name / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not outcome.exists():
            outcome.write_text(json.dumps(asdict(build(original))))
    copy = Project(factory.mktemp(name) / "build")
    shutil.copytree(original.folder, copy.folder)
    return copy, DbtRun(**json.loads(outcome.read_text())), original


@pytest.fixture(scope="session")
def seeds_build(tmp_path_factory: pytest.TempPathFactory) -> SeedsBuild:
    """Run `dbt build` with nothing given: seeds, models, snapshot and data tests."""
    project, run, original = built_once(
        tmp_path_factory, "seeds", lambda project: project.dbt("build")
    )
    return SeedsBuild(project, run, original.folder / "pictures")


@pytest.fixture(scope="session")
def chain_build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """Build the chain of `docs/worked-example.md` once; its project, and what dbt said."""

    def build(project: Project) -> DbtRun:
        variables = yaml.safe_load((REPOSITORY / CHAIN_VARS).read_text(encoding="utf-8"))
        for name, location in variables["inputs"].items():
            variables["inputs"][name] = str(REPOSITORY / location)
        variables["segmentation"]["picture_formats"] = []
        return project.build(*WITHOUT_TESTS, variables=variables)

    project, run, _ = built_once(tmp_path_factory, "chain", build)
    return project, run.shown


@pytest.fixture(scope="session")
def small_build(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the small inputs once, without tests; later builds continue in copies of it."""

    def build(project: Project) -> DbtRun:
        variables = small_inputs().write(project.folder.parent / "inputs")
        variables["segmentation"] = THREE_CLUSTERS
        (project.folder.parent / "vars.json").write_text(json.dumps(variables))
        return project.build(*OWN_INPUTS, variables=variables)

    project, run, original = built_once(tmp_path_factory, "small", build)
    variables = json.loads((original.folder.parent / "vars.json").read_text())
    return Built(project, variables, run)
