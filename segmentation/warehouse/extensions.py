"""DuckDB extensions from the locked packages, never from a download at run time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb


class MissingPackageError(RuntimeError):
    """An optional package is not installed; the message says which and how to get it."""

    @classmethod
    def of(cls, what: str) -> MissingPackageError:
        """The error for a package, an extension or a program."""
        return cls(
            f"{what} is not installed; run make extras,"
            " or pip install --require-hashes -r requirements-extras.txt"
        )


def extension_file(name: str) -> Path:
    """File of an extension, from its package `duckdb-extension-<name>`.

    Raises
    ------
    MissingPackageError
        If the package is not installed, or belongs to another version of DuckDB.
    """
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if file.is_file():
            return file
    package_name = f"duckdb-extension-{name.replace('_', '-')}"
    raise MissingPackageError.of(
        f"the extension {name} for DuckDB {duckdb.__version__} ({package_name})"
    )


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension into the database of a connection (`extension_file`)."""
    connection.load_extension(str(extension_file(name)))
