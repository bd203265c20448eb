"""Libraries that Python models share, imported by one thread at a time.

dbt runs models in threads. Two threads that import parts of scikit-learn at once can each wait for
a module the other one holds; Python then hands out a half-imported module, and a model fails. So
what every build needs is imported here: a module itself is imported once while others wait for it,
and every Python model imports this one before anything else. What takes longer and only some
builds need (scikit-learn, PyCaret, Matplotlib) is imported where it is used, within `importing`.

Linear algebra keeps to one thread: dbt's threads and the processes that fit share the cores
already, and a sum over several threads differs in its last bits from run to run.
"""

# ruff: noqa: F401 (what is imported is used by others)
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import PIL.Image
import scipy.spatial.distance
import scipy.special
from threadpoolctl import threadpool_limits

#: New objects after which Python looks for cycles among them. With the usual 700 it goes through
#: dbt's parsed project, or all that a library defines, again and again, with next to nothing to
#: free.
COLLECT_AFTER: Final = 50_000

threadpool_limits(limits=1)
_TURN = threading.RLock()


@contextmanager
def importing() -> Iterator[None]:
    """Let other threads wait with such imports, then keep what was imported to one thread."""
    with _TURN:
        n_known = len(sys.modules)
        yield
        if len(sys.modules) > n_known:
            threadpool_limits(limits=1)
