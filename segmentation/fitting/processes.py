"""One function applied to many arguments in worker processes, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

_Result = TypeVar("_Result")

#: Clusters that joblib has a backend for.
Cluster = Literal["dask", "ray"]
#: Package of each, and what connects it with its cluster: module and function.
_CLUSTERS: Final[dict[Cluster, tuple[str, str, str]]] = {
    "dask": ("distributed", "distributed", "Client"),
    "ray": ("ray", "ray.util.joblib", "register_ray"),
}


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


def each_on_cluster(
    function: Callable[..., _Result], given: Sequence[Sequence[Any]], cluster: Cluster
) -> Iterator[_Result]:
    """Results in order, from the workers of a cluster, by joblib's backend for it.

    Which cluster it is, the environment says: `DASK_SCHEDULER_ADDRESS` or `RAY_ADDRESS`.

    Parameters
    ----------
    function
        Called once with each of `given`; workers need the module that it comes from.
    given
        Lists of arguments that can be pickled.
    cluster
        The kind of cluster.
    """
    _, module, connect = _CLUSTERS[cluster]
    getattr(import_module(module), connect)()
    with parallel_config(
        cluster, n_jobs=-1
    ):  # this alone knows backends that joblib has not loaded
        workers = Parallel()
    yield from workers(delayed(function)(*arguments) for arguments in given)


def missing_package(cluster: Cluster) -> str | None:
    """Package that has to be installed for a cluster; None if it is there."""
    package = _CLUSTERS[cluster][0]
    return None if find_spec(package) else package
