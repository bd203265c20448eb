"""The vars that a command is given, read before anything else starts."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from segmentation.warehouse.secrets import MASK

#: A part of the text in a parser's message, and not punctuation that it expected.
_QUOTED: Final = re.compile(r"'(?=[\w!]).*'")


class VarsError(ValueError):
    """Vars that are not a mapping in YAML; the message says where and what to do."""


def read_vars(text: str) -> dict[str, Any]:
    """The vars in a text of YAML; none where it is empty.

    dbt shows vars that it cannot read as they are, and a location may have a password in it.

    Raises
    ------
    VarsError
        If the text is no YAML, or no mapping. The message shows no value.

    Examples
    --------
    >>> read_vars("inputs: {sales: sales.csv}")
    {'inputs': {'sales': 'sales.csv'}}
    """
    try:
        given = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise VarsError(
            f"the vars are not valid YAML: {_cause(error)}; correct them, with quotes around"
            " values that have a colon, a bracket or a quote in them"
        ) from error
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise VarsError(
            "the vars are not allowed; they are a mapping, such as inputs: {sales: sales.csv}"
        )
    return given


def _cause(error: Exception) -> str:
    """Where a parser stopped, and what it expected there, without what it found."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    cause = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return place + _QUOTED.sub(MASK, " ".join(str(cause).split()))
