from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from segmentation.run.facts import code_state, versions


def git(folder: Path, *arguments: str) -> str:
    """Output of git in a folder, with an author of its own."""
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    return subprocess.run(
        ["git", "-C", str(folder), *author, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one model, committed."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    return tmp_path


def test_committed_code_is_clean(repository: Path) -> None:
    assert code_state(str(repository)) == (git(repository, "rev-parse", "HEAD").strip(), True)


def test_a_changed_file_is_not_clean(repository: Path) -> None:
    (repository / "models" / "a.sql").write_text("select 2")
    assert code_state(str(repository))[1] is False


def test_a_new_file_in_the_code_is_not_clean(repository: Path) -> None:
    (repository / "models" / "b.sql").write_text("select 2")
    assert code_state(str(repository))[1] is False


def test_data_beside_the_code_does_not_count(repository: Path) -> None:
    (repository / "data").mkdir()
    (repository / "data" / "sales.csv").write_text("store_id")
    assert code_state(str(repository))[1] is True


def test_a_folder_without_a_repository_has_no_revision(tmp_path: Path) -> None:
    assert code_state(str(tmp_path)) == (None, None)


def test_without_git_there_is_no_revision(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository / "nothing"))
    assert code_state(str(repository)) == (None, None)


def test_the_versions_are_those_of_this_environment() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["duckdb"] == metadata.version("duckdb")
    assert found["store-segments"] == metadata.version("store-segments")
