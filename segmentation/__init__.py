"""Store segmentation: features, clustering and merging, without any import of dbt.

Modules, in the order in which data passes through them:

- :mod:`segmentation.settings`: the `segmentation` var, parsed and checked.
- :mod:`segmentation.inputs`: the `inputs` var, checked before anything runs.
- :mod:`segmentation.duckdb_plugin`: both checks as SQL functions, for dbt's hooks.
- :mod:`segmentation.features`: long feature tables to one vector per store.
- :mod:`segmentation.registry`: what is fitted again and what is not.
- :mod:`segmentation.selection`: which features take part, and why the others do not.
- :mod:`segmentation.fitting`: PyCaret's pipeline and estimator to one plain row per model.
- :mod:`segmentation.weights`: the weight of a categorical column among measurements.
- :mod:`segmentation.cluster_search`: the number of clusters.
- :mod:`segmentation.labels`: cluster numbers that last from fit to fit.
- :mod:`segmentation.model`: a fitted model as plain numbers.
- :mod:`segmentation.merging`: two lanes into segments of a minimum size.
- :mod:`segmentation.progress`: what long steps tell on the terminal.
"""

__version__ = "0.1.0"
