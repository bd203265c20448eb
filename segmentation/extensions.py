"""DuckDB extensions from the locked packages, never from a download at run time."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import duckdb

#: Extra of the package that brings the extensions.
EXTRA: Final = "publish"


class ExtensionError(RuntimeError):
    """An extension is not installed; the message says which and how to get it."""


def extension_file(name: str) -> Path:
    """File of an extension, from its package `duckdb-extension-<name>`.

    Raises
    ------
    ExtensionError
        If the package is not installed, or is one of another DuckDB version.
    """
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        file = Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if file.is_file():
            return file
    raise ExtensionError(
        f"the DuckDB extension {name} for DuckDB {duckdb.__version__} is not installed; it comes "
        f"with the extra `{EXTRA}`: pip install --require-hashes -r requirements-{EXTRA}.txt"
    )


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension into the database of a connection (`extension_file`)."""
    connection.load_extension(str(extension_file(name)))
