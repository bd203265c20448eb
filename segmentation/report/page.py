"""The report as one HTML file."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from segmentation.pictures.style import PALETTE
from segmentation.report.charts import library
from segmentation.report.contents import Contents
from segmentation.warehouse.control_characters import visible

#: In a cell that has no value: an en dash.
NO_VALUE = "\N{EN DASH}"


#: What people can mail. A report that would be larger has pictures where it had charts.
MAX_BYTES = 10_000_000


def report_html(contents: Contents) -> str:
    """Fill the template; style, scripts, pictures and data are all embedded in the file."""
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"number": _number, "percent": _percent, "line": _line}
    environment.filters["money"] = partial(_money, pattern=contents.facts["money"])
    environment.filters |= {"reading": reading, "word": word}
    template = environment.get_template("report.html.jinja")
    colours = "".join(
        f".c{place}{{--segment:{shade};fill:{shade}}}" for place, shade in enumerate(PALETTE)
    )
    given = {
        "contents": contents,
        "style": _text("report.css") + colours,
        "script": _text("report.js"),
    }
    if contents.has_pictures:
        with_charts = template.render(**given, library=library())
        if len(with_charts.encode()) < MAX_BYTES:
            return with_charts
    return template.render(**given, library="")


def _text(name: str) -> str:
    return files("segmentation.report").joinpath(name).read_text(encoding="utf-8")


def _shown(value: Any) -> Any:
    """What an expression of the template gives; markup of our own stays as it is."""
    return visible(value) if type(value) is str else value


def _number(value: Any, digits: int = 2) -> str:
    return NO_VALUE if value is None else f"{value:,.{digits}f}"


def _percent(value: Any) -> str:
    return NO_VALUE if value is None else f"{value:.1%}".replace("%", " %")


def _money(value: Any, pattern: str) -> str:
    """An amount without decimals in its currency, in which `{}` is the place of the number."""
    return NO_VALUE if value is None else pattern.replace("{}", f"{value:,.0f}")


def _line(value: str) -> str:
    """Text on one line: a comment in SQL must not end before it."""
    return " ".join(value.split())


#: How an index reads, from the lowest value on: silhouettes by Kaufman and Rousseeuw (1990, table
#: 2.4), the similarity of bootstrapped clusters by Hennig (2007).
_READINGS: Final = {
    "cohesion": ((0.5, "well separated"), (0.25, "recognizable"), (-1.0, "overlaps its neighbors")),
    "silhouette": ((0.7, "strong"), (0.5, "reasonable"), (0.25, "weak"), (-1.0, "no clear groups")),
    "stability": ((0.85, "very stable"), (0.75, "stable"), (0.6, "doubtful"), (-1.0, "unstable")),
}


def reading(value: float | None, index: str) -> str:
    """An index with the word for how good it is.

    Parameters
    ----------
    value
        The index, None where it was not computed.
    index
        `cohesion`, `silhouette` or `stability`.
    """
    return NO_VALUE if value is None else f"{_number(value)} ({word(value, index)})"


def word(value: float | None, index: str) -> str:
    """The word alone; the parameters are those of `reading`."""
    if value is None:
        return "not computed"
    return next(said for least, said in _READINGS[index] if value >= least)
