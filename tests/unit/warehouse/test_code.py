"""Versions of code."""

from __future__ import annotations

from pathlib import Path

from segmentation.warehouse.code import folder_sha256


def folder_with(folder: Path, **modules: str) -> Path:
    """Write modules into a folder below the given one."""
    package = folder / "package"
    package.mkdir(parents=True)
    for name, text in modules.items():
        (package / f"{name}.py").write_bytes(text.encode())
    return package


def test_a_module_added_to_a_folder_changes_its_version(tmp_path: Path) -> None:
    package = folder_with(tmp_path, one="x = 1\n")
    before = folder_sha256(package)
    (package / "deep").mkdir()
    (package / "deep" / "two.py").write_text("")
    assert folder_sha256(package) != before


def test_an_edited_or_renamed_module_changes_the_version(tmp_path: Path) -> None:
    versions = {
        folder_sha256(folder_with(tmp_path / str(number), **modules))
        for number, modules in enumerate(
            [{"one": "x = 1\n"}, {"one": "x = 2\n"}, {"two": "x = 1\n"}]
        )
    }
    assert len(versions) == 3


def test_line_endings_and_files_that_are_not_modules_do_not_count(tmp_path: Path) -> None:
    unix = folder_with(tmp_path / "unix", one="x = 1\n")
    windows = folder_with(tmp_path / "windows", one="x = 1\r\n")
    (windows / "notes.txt").write_text("not code")
    assert folder_sha256(unix) == folder_sha256(windows)
