"""Fitted models of the internal lane; a scope whose model is in the table already is not fitted."""

from segmentation.fitting.registry import fit_lane
from segmentation.run.engine import engine_of_run
from segmentation.run.progress import report
from segmentation.settings import Settings
from segmentation.warehouse.parts import RowsBy


def model(dbt, session):
    """Read the features and the models so far, return the rows that are new."""
    return fit_lane(
        lane="internal",
        features=RowsBy(dbt.ref("feat_internal"), "scope"),
        scope_features=dbt.ref("scope_features").pl(),
        settings=Settings(dbt.config.get("segmentation")),
        existing=session.table(str(dbt.this)).pl() if dbt.is_incremental else None,
        report=report,
        engine=engine_of_run(session),
    )
