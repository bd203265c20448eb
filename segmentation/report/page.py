"""The report as one HTML file."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from segmentation.report.charts import library
from segmentation.report.contents import Contents

#: In a cell that has no value: an en dash.
NO_VALUE = "\N{EN DASH}"


#: What people can mail. A report that would be larger has pictures where it had charts.
MAX_BYTES = 10_000_000


def report_html(contents: Contents) -> str:
    """Fill the template; style, scripts, pictures and data are all embedded in the file."""
    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": _number, "percent": _percent, "money": _money}
    template = environment.get_template("report.html.jinja")
    given = {"contents": contents, "style": _text("report.css"), "script": _text("report.js")}
    if contents.has_pictures:
        with_charts = template.render(**given, library=library())
        if len(with_charts.encode()) < MAX_BYTES:
            return with_charts
    return template.render(**given, library="")


def _text(name: str) -> str:
    return files("segmentation.report").joinpath(name).read_text(encoding="utf-8")


def _number(value: Any, digits: int = 2) -> str:
    return NO_VALUE if value is None else f"{value:,.{digits}f}"


def _percent(value: Any) -> str:
    return NO_VALUE if value is None else f"{value:.1%}".replace("%", " %")


def _money(value: Any) -> str:
    return NO_VALUE if value is None else f"{value:,.0f}"
