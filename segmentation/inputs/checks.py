"""The `inputs` and `external_sources` vars, checked before the first model runs."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from segmentation.inputs.names import REQUIRED, unknown_input


def vars_problems(inputs: object, external_sources: object, known: Sequence[str]) -> list[str]:
    """What is wrong with the vars `inputs` and `external_sources`, one line each, for people.

    Parameters
    ----------
    inputs
        The var `inputs`: input name to location.
    external_sources
        The var `external_sources`: names of the external inputs in use.
    known
        Names of the external inputs that have a staging model.
    """
    shape = _shape_problem(inputs, external_sources)
    if shape:
        return [shape]
    assert isinstance(inputs, Mapping)  # noqa: S101 (seen above)
    assert isinstance(external_sources, Sequence)  # noqa: S101
    return [
        *_name_problems(inputs, external_sources, known),
        *_mixture_problems(inputs, external_sources),
    ]


def input_stamps(locations: Mapping[str, str]) -> dict[str, str]:
    """Hash of names, sizes and times of change of the files that inputs are read from.

    Parameters
    ----------
    locations
        Input name to path, folder or glob. An address with a scheme is left out: its server would
        have to be asked again. So is a location without files.
    """
    stamps = {}
    for name, location in sorted(locations.items()):
        digest = hashlib.sha256()
        paths = _files(location)
        for path in paths:
            facts = path.stat()
            digest.update(repr((str(path), facts.st_size, facts.st_mtime_ns)).encode())
        if paths:
            stamps[name] = digest.hexdigest()
    return stamps


def last_change(location: str) -> dt.datetime | None:
    """Time of the newest file of a location, UTC; None for an address and where there is no file.

    Parameters
    ----------
    location
        Path, folder or glob.
    """
    times = [path.stat().st_mtime_ns for path in _files(location)]
    return max(dt.datetime.fromtimestamp(time / 1e9, dt.UTC) for time in times) if times else None


def _files(location: str) -> list[Path]:
    """Files of a path, folder or glob, sorted; none for an address with a scheme.

    Listed by DuckDB, which reads hidden files and brackets otherwise than Python does.
    """
    if "://" in location:
        return []
    pattern = f"{location}/**" if Path(location).is_dir() else location
    with duckdb.connect() as connection:
        found = connection.execute("from glob(?) order by all", [pattern]).fetchall()
    return [Path(path) for (path,) in found]


def _shape_problem(inputs: object, external_sources: object) -> str:
    """What is wrong with the vars as such, empty if nothing is."""
    if not isinstance(inputs, Mapping):
        return f"inputs: {inputs!r} is not allowed; it is a mapping of input name to location"
    if not isinstance(external_sources, Sequence) or isinstance(external_sources, str):
        return f"external_sources: {external_sources!r} is not allowed; it is a list of names"
    if not all(isinstance(name, str) for name in [*inputs, *external_sources]):
        return "inputs and external_sources: names are texts; put others into quotes"
    return ""


def _name_problems(
    inputs: Mapping[str, Any], external_sources: Sequence[str], known: Sequence[str]
) -> list[str]:
    return [
        *(
            unknown_input("inputs", name, known)
            for name in inputs
            if name not in (*REQUIRED, *known)
        ),
        *(
            f"external_sources: {name!r} has no staging model stg_external__{name}; "
            f"known ones: {', '.join(known)}"
            for name in external_sources
            if name not in known
        ),
    ]


def _mixture_problems(inputs: Mapping[str, Any], external_sources: Sequence[str]) -> list[str]:
    """Own data never meets the example data: their stores have nothing to do with each other.

    External inputs make segments by themselves; sales need products, and products are of no use
    without sales.
    """
    given = {name for name, location in inputs.items() if location}
    if not given:
        return []
    internal = REQUIRED if given & REQUIRED.keys() else ()
    return [
        f"inputs.{name}: no location given, while inputs.{min(given)} has one; give a location"
        + (" or take the name out of external_sources" if name in external_sources else "")
        + " (own data and the example seeds do not mix)"
        for name in [*internal, *external_sources]
        if name not in given
    ]
