"""Column names: which column of a file is the one that an input needs."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import yaml

#: Columns that an input cannot do without.
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "sales": ("store_id", "product_id", "sales_amount"),
    "products": ("product_id", "category", "need_state"),
}
#: Columns that have a meaning when they are present.
OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "sales": ("sold_on", "units"),
    "products": ("product_name",),
}
REQUIRED_OF_EXTERNAL: Final = ("store_id",)

#: Parts of names that exports use for our columns, the most specific first. They only order the
#: candidates in a message; no column is ever taken because of them.
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "store_id": ("storenumber", "storenbr", "store", "shop", "outlet", "branch", "filiale", "site"),
    "product_id": ("productid", "itemnumber", "sku", "upc", "item", "product", "article", "dept"),
    "sales_amount": ("salesamount", "sale", "revenue", "amount", "turnover", "umsatz", "value"),
    "sold_on": ("solddate", "date", "week", "day", "datum"),
    "units": ("units", "quantity", "qty", "volume", "menge"),
    "category": ("category", "department", "dept", "family", "group"),
    "need_state": ("needstate", "need", "subcategory", "segment", "type", "group"),
    "product_name": ("productname", "description", "name", "title"),
}
_IGNORED_IN_NAMES: Final = re.compile(r"[\s_\u00ad\u200b-\u200f\u2060\ufeff]+")
_MOST_CANDIDATES: Final = 3


class InputError(Exception):
    """An input that cannot be used.

    Parameters
    ----------
    problems
        One message per problem, written for people.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


def normalized(name: str) -> str:
    """A column name without case, blanks, underscores and invisible characters.

    Examples
    --------
    >>> normalized("Store ID") == normalized("store_id")
    True
    """
    return _IGNORED_IN_NAMES.sub("", unicodedata.normalize("NFKC", name).casefold())


def required_columns(input_name: str) -> tuple[str, ...]:
    """Columns without which an input cannot be used; external inputs need a store."""
    return REQUIRED.get(input_name, REQUIRED_OF_EXTERNAL)


def known_columns(input_name: str) -> tuple[str, ...]:
    """Required and optional columns of an input."""
    return (*required_columns(input_name), *OPTIONAL.get(input_name, ()))


def match_columns(
    input_name: str, header: Sequence[str], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Find the column of a file for each column of an input.

    Parameters
    ----------
    input_name
        `sales`, `products` or the name of an external input.
    header
        Column names as they are written in the file.
    given
        The var `columns` for this input: our name to the name in the file.

    Returns
    -------
    tuple
        Our name to the name in the file, for each column that was found, and what is wrong, one
        line per problem.
    """
    by_normalized: dict[str, list[str]] = {}
    for name in header:
        by_normalized.setdefault(normalized(name), []).append(name)
    found: dict[str, str] = {}
    problems: list[str] = []
    for ours, theirs in given.items():
        if input_name in REQUIRED and ours not in known_columns(input_name):
            known = known_columns(input_name)
            problems.append(
                f"columns.{input_name}.{ours}: unknown column; {did_you_mean(ours, known)}"
                f"known ones: {', '.join(known)}"
            )
            continue
        match = [theirs] if header.count(theirs) == 1 else by_normalized.get(normalized(theirs), [])
        if len(match) == 1:
            found[ours] = match[0]
        elif match:
            problems.append(_several(f"columns.{input_name}.{ours}", theirs, match))
        else:
            problems.append(
                f"columns.{input_name}.{ours}: there is no column {theirs!r}; "
                f"the file has: {', '.join(header)}"
            )
    for ours in known_columns(input_name):
        if ours in given:
            continue
        match = [
            name for name in by_normalized.get(normalized(ours), []) if name not in found.values()
        ]
        if len(match) == 1:
            found[ours] = match[0]
        elif match:
            problems.append(_several(f"inputs.{input_name}", ours, match))
        elif ours in required_columns(input_name):
            problems.append(_missing(input_name, ours, header, found.values()))
    for theirs in sorted({name for name in found.values() if [*found.values()].count(name) > 1}):
        ours = ", ".join(key for key, name in found.items() if name == theirs)
        problems.append(f"columns.{input_name}: {theirs!r} is used for several columns: {ours}")
    return found, problems


def number_of_known_columns(
    input_name: str, header: Sequence[str], given: Mapping[str, str]
) -> int:
    """How many required columns of an input a line names; used to recognize the header."""
    names = {normalized(name) for name in header}
    return sum(
        normalized(given.get(column, column)) in names for column in required_columns(input_name)
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean x? ` for a misspelled name; empty if nothing is close."""
    by_normalized = {normalized(other): other for other in known}
    close = difflib.get_close_matches(normalized(name), by_normalized, n=1)
    return f"did you mean {by_normalized[close[0]]}? " if close else ""


def unknown_input(place: str, name: str, known: Sequence[str]) -> str:
    """Message about a name that no input has."""
    names = (*REQUIRED, *known)
    return (
        f"{place}.{name}: unknown input; {did_you_mean(name, names)}known ones: {', '.join(names)}"
    )


def candidates(column: str, header: Sequence[str]) -> list[str]:
    """Columns of a file that may be meant by one of ours, the likeliest first."""
    parts = _OTHER_NAMES.get(column, ())

    def score(name: str) -> float:
        text = normalized(name)
        hits = [len(parts) - rank for rank, part in enumerate(parts) if part in text]
        similarity = difflib.SequenceMatcher(None, text, normalized(column)).ratio()
        return (1 + max(hits) / len(parts) if hits else 0) + similarity * (similarity > 0.6)  # noqa: PLR2004

    ranked = sorted(header, key=lambda name: (-score(name), header.index(name)))
    return [name for name in ranked if score(name) > 0][:_MOST_CANDIDATES]


def in_yaml(name: str) -> str:
    """A name as YAML has it between braces, in quotes where it means something else without."""
    try:
        is_itself = yaml.safe_load(f"{{name: {name}}}") == {"name": name}
    except yaml.YAMLError:
        is_itself = False
    return name if is_itself else json.dumps(name, ensure_ascii=False)


def _several(place: str, name: str, match: Sequence[str]) -> str:
    return (
        f"{place}: several columns of the file are called {name!r} when case, blanks and "
        f"underscores are ignored: {', '.join(match)}; rename all but one"
    )


def _missing(input_name: str, column: str, header: Sequence[str], taken: Iterable[str]) -> str:
    free = [name for name in header if name not in set(taken)]
    likely = candidates(column, free)
    advice = (
        f"; if it is {' or '.join(map(repr, likely))}, set columns: "
        f"{{{input_name}: {{{column}: {in_yaml(likely[0])}}}}}"
        if likely
        else f"; name it with columns: {{{input_name}: {{{column}: ...}}}}"
    )
    return f"there is no column {column!r}; the file has: {', '.join(header)}{advice}"
