"""The report as one HTML file."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from segmentation.report.contents import Contents

#: In a cell that has no value: an en dash.
NO_VALUE = "\N{EN DASH}"


def report_html(contents: Contents) -> str:
    """Fill the template; style, script, pictures and data all stand in the file itself."""
    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": _number, "percent": _percent, "money": _money}
    return environment.get_template("report.html.jinja").render(
        contents=contents, style=_text("report.css"), script=_text("report.js")
    )


def _text(name: str) -> str:
    return files("segmentation.report").joinpath(name).read_text(encoding="utf-8")


def _number(value: Any, digits: int = 2) -> str:
    return NO_VALUE if value is None else f"{value:,.{digits}f}"


def _percent(value: Any) -> str:
    return NO_VALUE if value is None else f"{value:.1%}".replace("%", " %")


def _money(value: Any) -> str:
    return NO_VALUE if value is None else f"{value:,.0f}"
