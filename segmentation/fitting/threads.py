"""One function applied to many values in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


def each(
    function: Callable[[_Given], _Result], given: Iterable[_Given], n_jobs: int
) -> list[_Result]:
    """Results in order; the threads share memory, and numpy releases the interpreter lock.

    Parameters
    ----------
    function
        Called once per value.
    given
        The values.
    n_jobs
        Number of threads; it does not change a result.
    """
    if n_jobs == 1:
        return [function(one) for one in given]
    # OpenMP's limit belongs to a thread; the one of the calling thread does not reach these
    limit = ThreadpoolController().wrap(limits=1)
    return list(
        Parallel(n_jobs=n_jobs, backend="threading")(delayed(limit(function))(one) for one in given)
    )
