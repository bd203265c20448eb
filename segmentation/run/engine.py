"""The engine of the run in progress, for Python models."""

from __future__ import annotations

import json
from typing import Any

from segmentation.engine.session import Engine


def engine_of_run(session: Any) -> Engine | None:
    """The engine that the var `engine` of this run names; None without one.

    The var may hold a token. As a `config` of the model it would be in dbt's manifest, so it is
    asked for by way of a SQL function of the plugin.

    Parameters
    ----------
    session
        What dbt gives to a Python model: a cursor of DuckDB.
    """
    ((given,),) = session.execute("select segmentation_engine()").fetchall()
    return Engine.from_var(json.loads(given))
