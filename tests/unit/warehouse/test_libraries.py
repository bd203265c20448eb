"""Two of dbt's threads never import the same library at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
PACKAGE = REPOSITORY / "segmentation"
PYTHON_MODELS = sorted(REPOSITORY.glob("models/**/*.py"))
#: Libraries in pure or nearly pure modules, and those that stand before any model runs.
HARMLESS = {"duckdb", "numpy", "polars", "pydantic", "threadpoolctl"}


def imported(path: Path) -> list[str]:
    """Modules that a file imports when it is imported itself, in order."""
    return list(_names(ast.parse(path.read_text(encoding="utf-8")).body))


def _names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Modules that these statements import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def imported_later(path: Path) -> tuple[set[str], set[str]]:
    """Modules that functions of a file import: while other threads wait, and just so."""
    waited_for, others = set(), set()
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            blocks = [
                node
                for node in ast.walk(function)
                if isinstance(node, ast.With)
                and ast.unparse(node.items[0].context_expr) == "importing()"
            ]
            guarded = {name for block in blocks for name in _names(ast.walk(block))}
            waited_for |= guarded
            others |= set(_names(ast.walk(function))) - guarded
    return waited_for, others


def files(modules: Iterable[str]) -> set[Path]:
    """Files of those modules that belong to the package."""
    paths = {REPOSITORY / (name.replace(".", "/") + ".py") for name in modules}
    return {path for path in paths if path.is_file()}


def reached_from(paths: Iterable[Path]) -> set[Path]:
    """Files of the package that are imported together with these."""
    reached: set[Path] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += files(imported(path))
    return reached


def libraries(modules: Iterable[str]) -> set[str]:
    """Libraries that modules belong to, without the standard one and the package."""
    return (
        {name.split(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"segmentation"}
    )


@pytest.mark.parametrize("path", PYTHON_MODELS, ids=lambda path: path.stem)
def test_every_python_model_imports_the_shared_libraries_first(path: Path) -> None:
    assert imported(path)[0] == "segmentation.warehouse.libraries"


def test_every_library_that_models_import_with_themselves_is_a_shared_one() -> None:
    shared = libraries(imported(PACKAGE / "warehouse" / "libraries.py"))
    reached = reached_from(PYTHON_MODELS)
    assert {PACKAGE / "fitting" / "registry.py", PACKAGE / "pictures" / "catalog.py"} <= reached
    assert libraries(name for path in reached for name in imported(path)) <= shared | HARMLESS


def test_all_others_are_imported_while_other_threads_wait() -> None:
    shared = libraries(imported(PACKAGE / "warehouse" / "libraries.py"))
    reached = reached_from(PYTHON_MODELS)
    later = set()
    for path in sorted(reached):
        waited_for, others = imported_later(path)
        assert libraries(others) <= shared | HARMLESS, path
        assert not files(others) - reached, path
        later |= files(waited_for)
    assert {PACKAGE / "fitting" / "scope.py", PACKAGE / "pictures" / "rendering.py"} <= later
    for path in reached_from(later):
        assert libraries(imported_later(path)[1]) <= shared | HARMLESS, path


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
