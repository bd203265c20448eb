"""Folders of the dbt project; the one place that knows them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Final

import duckdb

#: Below the project's folder: where the pictures of its databases go, a folder each.
PICTURES: Final = Path("assets") / "pictures"
_HASH_LENGTH: Final = 8


def project_folder() -> Path:
    """Folder of `dbt_project.yml`, whatever directory dbt was called from.

    Jinja's `flags.PROJECT_DIR` is empty in dbt 1.11, so this asks dbt itself.
    """
    from dbt.flags import get_flags  # noqa: PLC0415 (only a running dbt has them)

    flags: Any = get_flags()  # type: ignore[no-untyped-call]
    return Path(flags.PROJECT_DIR).resolve()


def target_folder(project: Path) -> Path:
    """Folder for what can be made again: the one that dbt writes to.

    Parameters
    ----------
    project
        Folder of the dbt project; a relative `DBT_TARGET_PATH` starts there, as for dbt.
    """
    return project / (os.environ.get("DBT_TARGET_PATH") or "target")


def pictures_folder(project: Path, connection: duckdb.DuckDBPyConnection) -> Path:
    """Default folder for the pictures of the database that a connection writes to.

    Each database has a folder of its own. It is named like the database file if that is in the
    project's folder; for a file elsewhere, a hash of its path follows the name.

    Parameters
    ----------
    project
        Folder of the dbt project.
    connection
        Connection of a dbt Python model.
    """
    name, path = connection.execute(
        "select database_name, path from duckdb_databases()"
        " where database_name = current_database()"
    ).fetchone() or ("memory", None)
    if path is None or Path(path).resolve().parent == project:
        return project / PICTURES / str(name)
    digest = hashlib.sha256(str(Path(path).resolve()).encode()).hexdigest()[:_HASH_LENGTH]
    return project / PICTURES / f"{name}-{digest}"
