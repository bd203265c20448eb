"""Prove on the project's own data that a build depends on its inputs and settings alone.

Builds four times, into a folder of its own: with one thread, again on the same database, with four
threads, and with the rows of all inputs in another order. Every table of the layers `features`,
`lanes`, `segments` and `governance` is hashed after each; what tells of the run itself
(`run_specific` in a `meta`) is left out. The project's database is not touched.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml

from segmentation.inputs.given_vars import VarsError, read_vars
from segmentation.inputs.locations import Location
from segmentation.inputs.options import INPUT_VARS, InputOptions
from segmentation.inputs.reading import read_input
from segmentation.settings import Settings
from segmentation.warehouse.database import sql_literal, sql_name
from segmentation.warehouse.fingerprints import Fingerprint, differing_tables, table_fingerprints

PROJECT = Path(__file__).resolve().parents[1]
DBT = Path(sys.executable).with_name("dbt")
#: The build runs no tests and keeps no earlier model.
WITHOUT_TESTS = ("--exclude-resource-type", "test")
FROM_SCRATCH = {"retrain": "auto", "pinned_models": {}}
SHOWN_DIGITS = 16


class BuildFailedError(RuntimeError):
    """A build that did not succeed; the message is what dbt said."""


@dataclass(frozen=True)
class Database:
    """A database of its own, with what dbt writes beside it."""

    folder: Path

    @property
    def file(self) -> Path:
        """The database."""
        return self.folder / "store_segments.duckdb"

    def dbt(self, *arguments: str, variables: Mapping[str, Any]) -> None:
        """Call dbt on this database."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(DBT), *arguments, "--vars", json.dumps(dict(variables))]
        folders = {
            "DBT_PROJECT_DIR": str(PROJECT),
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "STORE_SEGMENTS_DB": str(self.file),
            "STORE_SEGMENTS_PICTURES": str(self.folder / "pictures"),
        }
        done = subprocess.run(
            command, env={**os.environ, **folders}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BuildFailedError(done.stdout + done.stderr)

    def build(self, threads: int, variables: Mapping[str, Any]) -> dict[str, Fingerprint]:
        """Build everything, return a fingerprint of every table."""
        sys.stderr.write(f"building in {self.folder.name}, threads: {threads} ...\n")
        self.dbt("build", *WITHOUT_TESTS, "--threads", str(threads), variables=variables)
        manifest = json.loads((self.folder / "target" / "manifest.json").read_text())
        return table_fingerprints(self.file, manifest)


def project_variables(given: Mapping[str, Any]) -> dict[str, Any]:
    """Vars of the project file with some values replaced, and without earlier models."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    variables: dict[str, Any] = {**project["vars"], **given}
    variables["segmentation"] = {**(variables["segmentation"] or {}), **FROM_SCRATCH}
    return variables


def shuffled_inputs(database: Path, folder: Path, variables: Mapping[str, Any]) -> dict[str, str]:
    """Copies of the inputs with their rows in another order, as the var `inputs` names them.

    Files are read by the reader of a build. What it reads as text is written as text, so that
    `rejected_rows` shows the same.
    """
    folder.mkdir(parents=True)
    options = InputOptions(
        {name: variables.get(name) for name in INPUT_VARS}, Settings(variables["segmentation"])
    )
    given = {name: place for name, place in (variables["inputs"] or {}).items() if place}
    names = list(given) or ["sales", "products", *variables["external_sources"]]
    copies = {}
    with duckdb.connect(str(database)) as connection:
        for name in names:
            relation, kind, columns = f"raw.raw_{name}", "parquet", "r.*"
            if name in given:
                location = Location(given[name], str(PROJECT))
                path = location.path if location.is_file else location.given
                plan = read_input(connection, name, path, options)
                relation = plan.relation
                columns = ", ".join(map(sql_name, plan.types))
                kind = "csv" if location.is_text else "parquet"
            copies[name] = f"{folder}/{name}.{kind}"
            connection.execute(
                f"copy (select {columns} from {relation} as r order by hash(r, 'another order'))"
                f" to {sql_literal(copies[name])} (format {kind})"
            )
    return copies


def four_builds(folder: Path, variables: Mapping[str, Any]) -> dict[str, dict[str, Fingerprint]]:
    """Fingerprints of every table after each build, by what was different about it."""
    first = Database(folder / "first")
    builds = {"1 thread": first.build(1, variables)}
    builds["same database again"] = first.build(1, variables)
    builds["4 threads"] = Database(folder / "threads").build(4, variables)
    copies = shuffled_inputs(first.file, folder / "inputs", variables)
    # the copies have the names of our columns
    shuffled = {**variables, "inputs": copies, "columns": {}, "sheets": {}, "encodings": {}}
    builds["rows shuffled"] = Database(folder / "shuffled").build(2, shuffled)
    return builds


def report(builds: Mapping[str, Mapping[str, Fingerprint]]) -> str:
    """Table of hashes of the first build, with the builds that differ from it."""
    first_name, *other_names = builds
    first = builds[first_name]
    differing = {name: differing_tables(first, builds[name]) for name in other_names}
    tables = sorted({table for build in builds.values() for table in build})
    width = max(len(table) for table in tables)
    lines = [f"{'table':<{width}}  {'rows':>9}  {'sha256':<{SHOWN_DIGITS}}  in all builds"]
    for table in tables:
        found = first.get(table, Fingerprint(0, ""))
        where = [name for name in other_names if table in differing[name]]
        verdict = f"DIFFERENT: {', '.join(where)}" if where else "identical"
        lines.append(
            f"{table:<{width}}  {found.n_rows:>9}  {found.sha256[:SHOWN_DIGITS]:<{SHOWN_DIGITS}}"
            f"  {verdict}"
        )
    n_identical = len(tables) - len({table for names in differing.values() for table in names})
    lines.append(f"{n_identical} of {len(tables)} tables are identical in {len(builds)} builds")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--vars", default="", help="as those of dbt")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the builds in this folder")
    options = parser.parse_args(arguments)
    try:
        variables = project_variables(read_vars(options.vars))
        if options.keep:
            builds = four_builds(options.keep, variables)
        else:
            with tempfile.TemporaryDirectory() as folder:
                builds = four_builds(Path(folder), variables)
    except VarsError as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    except BuildFailedError as error:
        sys.stderr.write(f"{error}\nverify: this build failed, so nothing can be compared\n")
        return 2
    sys.stdout.write(report(builds) + "\n")
    first, *others = builds.values()
    return int(any(differing_tables(first, other) for other in others))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # after the builds are deleted
        sys.exit("\nverify: interrupted")
