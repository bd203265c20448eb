"""Models of the internal lane that know the first half of the sales alone."""

from segmentation.evaluation.first_half import first_half_models
from segmentation.run.engine import engine_of_run
from segmentation.settings import Settings


def model(dbt, session):
    """Read the sales by period and the models so far, return the rows that are new."""
    return first_half_models(
        session,
        sales=dbt.ref("int_sales_by_period"),
        categories=dbt.ref("feat_internal")
        .select("scope")
        .distinct()
        .order("scope")
        .pl()
        .to_series(),
        settings=Settings(dbt.config.get("segmentation")),
        existing=session.table(str(dbt.this)).pl() if dbt.is_incremental else None,
        engine=engine_of_run(session),
    )
