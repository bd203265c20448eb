"""The same function of many values, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from segmentation.warehouse.libraries import importing

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


def each(
    function: Callable[[_Given], _Result], given: Iterable[_Given], n_jobs: int
) -> list[_Result]:
    """Results in order; threads share what they read, and numpy works without Python's lock.

    Parameters
    ----------
    function
        Called once per value.
    given
        The values.
    n_jobs
        Threads that work at once; they change no result.
    """
    if n_jobs == 1:
        return [function(one) for one in given]
    with importing():
        from joblib import Parallel, delayed  # noqa: PLC0415
    # the limit on OpenMP that is in force elsewhere holds for one thread only
    limit = ThreadpoolController().wrap(limits=1)
    return list(
        Parallel(n_jobs=n_jobs, backend="threading")(delayed(limit(function))(one) for one in given)
    )
