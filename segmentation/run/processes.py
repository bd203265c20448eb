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
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, Final, TypeVar

from segmentation.warehouse.libraries import COLLECT_AFTER, importing

_Result = TypeVar("_Result")

#: Seconds without work after which a process ends.
_PATIENCE: Final = 300


class Processes:
    """Processes for one kind of work, which several threads of dbt may start and use.

    Parameters
    ----------
    prepare
        Imports what the work needs.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._n_processes = 0

    @property
    def n_processes(self) -> int:
        """How many were started; 0 where work is done in this process."""
        return self._n_processes if self._executor is not None else 0

    def start(self, n_processes: int) -> None:
        """Start so many, unless there are as many already, and let them prepare.

        Where the machine has no room for them there are none afterwards.
        """
        with self._lock:
            if n_processes <= self.n_processes:
                return
            self._stop(self._executor)
            try:
                with importing():
                    from joblib.externals.loky import ProcessPoolExecutor  # noqa: PLC0415
                # not that of the standard library, which would import dbt's command into each
                self._executor = ProcessPoolExecutor(
                    n_processes,
                    timeout=_PATIENCE,
                    initializer=_get_ready,
                    initargs=(self._prepare, os.getpid()),
                )
                self._n_processes = n_processes
                self._executor.submit(int)  # they start with the first work
            except (OSError, ImportError):  # no semaphores, or no processes beyond a limit
                self._stop(self._executor)

    def stop(self, wait: bool = False) -> None:
        """Let them end when they have done what they were given, and wait for that if wanted."""
        with self._lock:
            self._stop(self._executor, wait=wait)

    def each(
        self, function: Callable[..., _Result], given: Sequence[Sequence[Any]]
    ) -> Iterator[_Result]:
        """Results in order, from the processes if they were started, else from here.

        Whoever stops asking before the end ends the processes.

        Parameters
        ----------
        function
            Called once with each of `given`.
        given
            Lists of arguments.
        """
        with self._lock:
            executor = self._executor
            waiting = [self._submitted(function, arguments) for arguments in given]
        n_missing = len(given)
        try:
            for future, arguments in zip(waiting, given, strict=True):
                try:
                    result = future.result() if future else function(*arguments)
                except BrokenExecutor:  # one was killed, as by a machine without memory
                    result = function(*arguments)
                n_missing -= 1
                yield result
        finally:
            if executor is not None and n_missing:
                self._stop(executor, kill_workers=True)

    def _submitted(
        self, function: Callable[..., _Result], arguments: Sequence[Any]
    ) -> Future[_Result] | None:
        """What the processes will give, None if there are none or they have ended."""
        if self._executor is None:
            return None
        try:
            return self._executor.submit(function, *arguments)
        except RuntimeError:  # broken, which is one, or ending
            self._stop(self._executor)
            return None

    def _stop(self, executor: Executor | None, wait: bool = False, **how: bool) -> None:
        if executor is not None:
            executor.shutdown(wait=wait, **how)
        if executor is self._executor:
            self._executor = None


def _get_ready(prepare: Callable[[], None], parent: int) -> None:
    """End with the process that started this one, and import what the work needs.

    With fewer looks for cycles among the objects of modules.
    """
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    gc.set_threshold(COLLECT_AFTER)
    prepare()


def _end_after(parent: int) -> None:
    """End this process when the one that started it has ended, killed or not."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _prepare_fits() -> None:
    with importing():
        from segmentation.fitting.scope import pycaret_experiment  # noqa: PLC0415
    pycaret_experiment()


def _prepare_pictures() -> None:
    with importing():
        import segmentation.pictures.rendering  # noqa: F401, PLC0415


#: For fits and what else needs scikit-learn.
FITS: Final = Processes(_prepare_fits)
PICTURES: Final = Processes(_prepare_pictures)
