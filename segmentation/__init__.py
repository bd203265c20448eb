"""Store segmentation: features, clustering and merging.

Packages, from the lowest layer up; a module imports from its own package or from packages below:

- :mod:`segmentation.settings`: the `segmentation` var, parsed and checked.
- :mod:`segmentation.warehouse`: the DuckDB database, extensions, hashes of tables and code.
- :mod:`segmentation.inputs`: the files and tables that a retailer brings.
- :mod:`segmentation.features`: store feature vectors.
- :mod:`segmentation.fitting`: one scope, from features to a model row.
- :mod:`segmentation.segments`: clusters of both lanes to segments.
- :mod:`segmentation.pictures`, :mod:`segmentation.report`: what people look at.
- :mod:`segmentation.publishing`: where finished builds go.
- :mod:`segmentation.run`: the dbt plugin, hooks, run log and summary.
"""

__version__ = "0.2.0"
