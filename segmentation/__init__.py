"""Store segmentation: features, clustering and merging.

Packages, from the lowest layer up; a module imports from its own package or from packages below:

- :mod:`segmentation.settings`: the `segmentation` var, parsed and checked.
- :mod:`segmentation.warehouse`: the DuckDB database, extensions, hashes of tables and code.
- :mod:`segmentation.inputs`: the files and tables that a retailer brings.
- :mod:`segmentation.features`: store feature vectors.
- :mod:`segmentation.fitting`: one scope, from features to a model row.
- :mod:`segmentation.segments`: clusters of both lanes to segments.
- :mod:`segmentation.evaluation`: whether the segments help, and what they are worth.
- :mod:`segmentation.pictures`, :mod:`segmentation.report`: what people look at.
- :mod:`segmentation.publishing`: where finished builds go.
- :mod:`segmentation.run`: the dbt plugin, hooks, run log and summary.
"""

import os

__version__ = "0.2.0"

# A sum over several threads differs in its last bits. OpenMP reads this when a library loads it; a
# limit that is set later holds in one thread only.
os.environ["OMP_NUM_THREADS"] = "1"
