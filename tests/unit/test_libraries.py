"""Two of dbt's threads never import the same library at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PYTHON_MODELS = sorted(REPOSITORY.glob("models/**/*.py"))
#: Libraries in pure or nearly pure modules, and those that stand before any model runs.
HARMLESS = {"duckdb", "numpy", "polars", "pydantic", "threadpoolctl", "pycaret", "pandas"}
#: Imported when a model has something to fit, by one file alone: the others wait for that file.
BEHIND_ONE_FILE = {"numba": "kmeans.py"}


def imported(path: Path) -> list[str]:
    """Modules that a file names in its imports, in order."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


@pytest.mark.parametrize("path", PYTHON_MODELS, ids=lambda path: path.stem)
def test_every_python_model_imports_the_shared_libraries_first(path: Path) -> None:
    assert imported(path)[0] == "segmentation.libraries"


def reached_by_models() -> set[Path]:
    """Files of the package that Python models import, or that those import."""
    reached: set[Path] = set()
    waiting = list(PYTHON_MODELS)
    while waiting:
        for name in imported(waiting.pop()):
            path = REPOSITORY / (name.replace(".", "/") + ".py")
            if path.is_file() and path not in reached:
                reached.add(path)
                waiting.append(path)
    return reached


def test_every_library_that_models_reach_is_a_shared_one() -> None:
    package = REPOSITORY / "segmentation"
    shared = {name.split(".")[0] for name in imported(package / "libraries.py")}
    reached = reached_by_models()
    assert {package / "fitting.py", package / "pictures" / "drawings.py"} <= reached
    used = {name.split(".")[0] for path in reached for name in imported(path)}
    known = shared | HARMLESS | set(BEHIND_ONE_FILE)
    assert used - set(sys.stdlib_module_names) - {"segmentation"} <= known
    for library, file in BEHIND_ONE_FILE.items():
        assert [path.name for path in reached if library in imported(path)] == [file]


def test_models_can_be_imported_by_many_threads_at_once() -> None:
    """In a new process, as the first build of a day does."""
    program = f"""
import runpy, sys, threading
problems = []
start = threading.Barrier({len(PYTHON_MODELS)})
def model(path):
    start.wait()
    try:
        runpy.run_path(path)
    except BaseException as error:
        problems.append(f"{{path}}: {{error!r}}")
threads = [threading.Thread(target=model, args=(path,)) for path in sys.argv[1:]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit("\\n".join(problems) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, PYTHON_MODELS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
