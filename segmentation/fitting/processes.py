"""One function applied to many arguments in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

_Result = TypeVar("_Result")


def each_in_processes(
    function: Callable[..., _Result], given: Sequence[Sequence[Any]], n_workers: int
) -> Iterator[_Result]:
    """Results in order, from worker processes that joblib starts now.

    If a worker is killed, for example on a machine that is short of memory, this process does the
    remaining work itself, one call after the other.

    Parameters
    ----------
    function
        Called once with each of `given`; importable from a module.
    given
        Lists of arguments that can be pickled.
    n_workers
        Number of processes; 1 for no process but this one.
    """
    n_done = 0
    if n_workers > 1:
        workers = Parallel(n_workers, backend="loky", return_as="generator")
        try:
            for result in workers(delayed(function)(*arguments) for arguments in given):
                yield result
                n_done += 1
        except TerminatedWorkerError:
            pass  # what is left is done below
    for arguments in given[n_done:]:
        yield function(*arguments)
