"""Store segmentation: features, clustering, merging and naming, without any import of dbt.

Modules, in the order in which data passes through them:

- :mod:`segmentation.settings`: the `segmentation` var, parsed and checked.
- :mod:`segmentation.inputs`: the `inputs` var, checked before anything runs.
- :mod:`segmentation.features`: long feature tables to one vector per store.
- :mod:`segmentation.selection`: which features take part, and why the others do not.
- :mod:`segmentation.fitting`: PyCaret's pipeline and estimator to one plain row per model.
- :mod:`segmentation.cluster_search`: the number of clusters.
- :mod:`segmentation.labels`: cluster numbers that last from fit to fit.
- :mod:`segmentation.registry`: what is fitted again and what is not.
- :mod:`segmentation.merging`: two lanes into segments of a minimum size.
- :mod:`segmentation.naming`: short names from what distinguishes a segment.
"""

__version__ = "0.1.0"
