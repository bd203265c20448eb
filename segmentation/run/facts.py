"""What a run was made with: the project's code, the libraries, the vars."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from typing import Final

#: What the project consists of; data and notes that lie beside it do not count.
_CODE: Final = (
    "dbt_packages",
    "dbt_project.yml",
    "dependencies.yml",
    "macros",
    "models",
    "packages.yml",
    "profiles.yml",
    "requirements.txt",
    "seeds",
    "selectors.yml",
    "segmentation",
    "snapshots",
)
_LIBRARIES: Final = (
    "dbt-core",
    "dbt-duckdb",
    "duckdb",
    "numpy",
    "pandas",
    "polars",
    "pycaret-core",
    "scikit-learn",
    "scipy",
    "store-segments",
)
_GIT_SECONDS: Final = 10


def code_state(project_dir: str) -> tuple[str | None, bool | None]:
    """Git revision of a folder, and whether the project's code in it is as committed.

    Returns
    -------
    tuple
        Revision, and True if no tracked or untracked file of the code differs from it; both None
        where there is no git or no repository.
    """
    revision = _git(project_dir, "rev-parse", "HEAD")
    if revision is None:
        return None, None
    changes = _git(project_dir, "status", "--porcelain", "--", *_CODE)
    return revision.strip(), None if changes is None else not changes.strip()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a run goes through, by name."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in _LIBRARIES
    }


def _git(folder: str, *arguments: str) -> str | None:
    """Output of a git command that only reads; None where it cannot say anything."""
    command = ["git", "-C", folder, "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 (fixed commands, no shell)
            command, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
