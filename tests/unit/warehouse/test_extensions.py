from __future__ import annotations

import duckdb
import pytest

from segmentation.warehouse.extensions import MissingPackageError, extension_file, load_extension


@pytest.mark.parametrize("name", ["ducklake", "httpfs", "postgres_scanner"])
def test_extensions_load_from_their_packages(name: str) -> None:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        load_extension(connection, name)
        loaded = connection.execute(
            "select loaded, install_mode from duckdb_extensions() where extension_name = ?", [name]
        ).fetchone()
    assert loaded == (True, "NOT_INSTALLED")  # nothing was put into the home folder
    assert "site-packages" in str(extension_file(name))


def test_a_missing_extension_names_its_package_and_how_to_install_it() -> None:
    with pytest.raises(MissingPackageError) as raised:
        extension_file("no_such_extension")
    assert str(raised.value) == (
        f"the extension no_such_extension for DuckDB {duckdb.__version__}"
        " (duckdb-extension-no-such-extension) is not installed; run make extras,"
        " or pip install --require-hashes -r requirements-extras.txt"
    )
