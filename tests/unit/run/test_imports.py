"""dbt's threads can import the Python models and their libraries at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]

#: Imports each model in a thread of its own, all at once; threads take turns as often as possible.
PROGRAM = """
import runpy, sys, threading
import segmentation.run.plugin
problems = []
start = threading.Barrier(len(sys.argv) - 1)
def load(path):
    start.wait()
    try:
        runpy.run_path(path) if path.endswith(".py") else __import__(path)
    except BaseException as error:
        problems.append(f"{path}: {error!r}")
sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=load, args=(path,)) for path in sys.argv[1:]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit("\\n".join(problems) or 0)
"""


def test_models_can_be_imported_by_many_threads_after_the_plugin() -> None:
    """In a new process, with PyCaret among them, as in the first build of a day."""
    models = sorted(str(path) for path in REPOSITORY.glob("models/**/*.py"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *models, "segmentation.fitting.scope"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert models
    assert done.returncode == 0, done.stderr
