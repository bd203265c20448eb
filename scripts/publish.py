"""Carry the published build to where people work.

That is PostgreSQL, a lake of Parquet files, the tables of an engine, or Excel.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from segmentation.engine.options import EngineError
from segmentation.engine.session import Engine
from segmentation.inputs.given_vars import VarsError, read_vars
from segmentation.publishing.engine_tables import publish_to_engine
from segmentation.publishing.lake import LATEST, publish_to_lake, runs_to_keep
from segmentation.publishing.postgres import publish_to_postgres
from segmentation.publishing.publish import published_path
from segmentation.publishing.published import PublishingError
from segmentation.publishing.workbook import export
from segmentation.run.project import target_folder
from segmentation.warehouse.extensions import MissingPackageError
from segmentation.warehouse.interrupts import end_on_interrupt
from segmentation.warehouse.secrets import without_secrets

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = os.environ.get("STORE_SEGMENTS_DB") or str(PROJECT / "store_segments.duckdb")
PUBLISHED = published_path(DATABASE, os.environ.get("STORE_SEGMENTS_PUBLISHED", ""))


def to_postgres(path: Path) -> str:
    """Publish to Postgres, say what became of the tables."""
    schema = os.environ.get("STORE_SEGMENTS_POSTGRES_SCHEMA") or "store_segments"
    readers = os.environ.get("STORE_SEGMENTS_POSTGRES_READERS", "")
    outcomes = publish_to_postgres(path, schema, readers)
    actions = Counter(outcome.action for outcome in outcomes)
    said = ", ".join(f"{number} {action}" for action, number in sorted(actions.items()))
    return f"Postgres schema {schema}: {said}"


def to_lake(path: Path) -> str:
    """Publish to the lake, report what was written."""
    location = os.environ.get("STORE_SEGMENTS_PARQUET") or str(target_folder(PROJECT) / "lake")
    n_runs = runs_to_keep(os.environ.get("STORE_SEGMENTS_PARQUET_RUNS", ""))
    publication = publish_to_lake(path, location, n_runs)
    return (
        f"{without_secrets(location)}: {publication.n_tables} tables written to"
        f" {publication.folder}; {LATEST} points to it"
    )


def to_engine(path: Path) -> str:
    """Publish to the engine of the vars, say how many tables it has."""
    given = read_vars(os.environ.get("STORE_SEGMENTS_VARS", ""))
    engine = Engine.from_var(given.get("engine"))
    if engine is None:
        raise EngineError("the var engine is not given; run make publish-engine VARS=my.yml")
    n_tables = publish_to_engine(path, engine)
    place, form = without_secrets(engine.options.tables), engine.options.format
    return f"{place}: {n_tables} tables written as {form}"


def to_files(path: Path) -> str:
    """Write the workbook and the CSV files, say where they are."""
    folder = Path(os.environ.get("STORE_SEGMENTS_EXPORT") or target_folder(PROJECT) / "export")
    return "\n".join(map(str, export(path, folder)))


TARGETS = {"postgres": to_postgres, "lake": to_lake, "engine": to_engine, "export": to_files}


def main() -> int:
    """Read the arguments, publish, say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--published", type=Path, default=PUBLISHED, help="default: %(default)s")
    arguments = parser.parse_args()
    try:
        sys.stdout.write(TARGETS[arguments.target](arguments.published) + "\n")
    except (MissingPackageError, PublishingError, EngineError, VarsError) as error:
        sys.stderr.write(f"{arguments.target}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    end_on_interrupt("publish: interrupted")
    sys.exit(main())
