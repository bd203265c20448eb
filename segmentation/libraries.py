"""Libraries that Python models share, imported in one place and so in one order.

dbt runs models in threads. Two threads that import parts of scikit-learn at once can each wait for
a module the other one holds; Python then hands out a half-imported module, and a model fails. A
module itself is imported once while others wait for it, so every Python model imports this one
before anything else.

Linear algebra keeps to one thread: dbt's threads and the processes that fit share the cores
already, and a sum over several threads differs in its last bits from run to run.
"""

# ruff: noqa: F401 (what is imported is used by others)
import joblib
import matplotlib.figure
import matplotlib.style
import PIL.Image
import scipy.optimize
import scipy.spatial.distance
import scipy.stats
import sklearn.cluster
import sklearn.decomposition
import sklearn.ensemble
import sklearn.metrics
import sklearn.tree
from threadpoolctl import threadpool_limits

threadpool_limits(limits=1)
