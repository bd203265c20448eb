"""Processes that get ready beside dbt for work that is likely to come.

Fits need PyCaret and pictures Matplotlib, whose imports keep Python busy for seconds in which dbt
could go on. A hook or a model that expects such work starts the processes for it. It is a guess:
without them, or where they have ended, work is done where it is asked for, with the same result.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from typing import Any, Final, TypeVar

from segmentation.libraries import COLLECT_AFTER, importing

_Result = TypeVar("_Result")

#: Seconds without work after which a process ends.
_PATIENCE: Final = 300


class Processes:
    """Processes for one kind of work.

    Parameters
    ----------
    prepare
        Imports what the work needs.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._executor: Executor | None = None
        self._n_processes = 0

    def start(self, n_processes: int) -> None:
        """Start so many, unless there are as many already, and let them prepare."""
        if self._executor is not None and n_processes <= self._n_processes:
            return
        self.stop()
        with importing():
            from joblib.externals.loky import ProcessPoolExecutor  # noqa: PLC0415
        # not that of the standard library, which would import dbt's command into each process
        self._executor = ProcessPoolExecutor(
            n_processes, timeout=_PATIENCE, initializer=_get_ready, initargs=(self._prepare,)
        )
        self._n_processes = n_processes
        self._executor.submit(int)  # they start with the first work

    def are_started(self) -> bool:
        """Whether there are any."""
        return self._executor is not None

    def stop(self) -> None:
        """Let them end when they have done what they were given."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        self._executor = None

    def each(
        self, function: Callable[..., _Result], given: Sequence[Sequence[Any]]
    ) -> Iterator[_Result]:
        """Results in order, from the processes if they were started, else from here.

        Parameters
        ----------
        function
            Called once with each of `given`.
        given
            Lists of arguments.
        """
        waiting = [
            self._executor.submit(function, *arguments) if self._executor is not None else None
            for arguments in given
        ]
        for future, arguments in zip(waiting, given, strict=True):
            try:
                yield future.result() if future else function(*arguments)
            except BrokenExecutor:  # one was killed, as by a machine without memory
                self._executor = None
                yield function(*arguments)


def _get_ready(prepare: Callable[[], None]) -> None:
    """Import what the work needs, with fewer looks for cycles among the objects of modules."""
    threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()
    gc.set_threshold(COLLECT_AFTER)
    prepare()


def _end_after(parent: int) -> None:
    """End this process when the one that started it has ended, killed or not."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _prepare_fits() -> None:
    with importing():
        from segmentation.fitting import pycaret_experiment  # noqa: PLC0415
    pycaret_experiment()


def _prepare_pictures() -> None:
    with importing():
        import segmentation.pictures.rendering  # noqa: F401, PLC0415


#: For fits and what else needs scikit-learn.
FITS: Final = Processes(_prepare_fits)
PICTURES: Final = Processes(_prepare_pictures)
