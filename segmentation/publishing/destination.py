"""Check the path of the published file before a build writes or replaces anything there."""

from __future__ import annotations

import os
from pathlib import Path

from segmentation.publishing.contract import contract_path, has_contract
from segmentation.publishing.published import (
    NotPublishedError,
    PublishedFileError,
    published_file,
)
from segmentation.warehouse.database import is_file
from segmentation.warehouse.files import other_than_file
from segmentation.warehouse.secrets import without_secrets


def destination_problem(published: Path, database: str) -> str | None:
    """Why a build cannot publish to a file, and what to do; None if it can.

    Parameters
    ----------
    published
        Where the build publishes to; its folder need not exist.
    database
        Path of the database that is built, as the profile has it.
    """
    if reason := _unusable(published):
        shown = without_secrets(str(published))
        return f"STORE_SEGMENTS_PUBLISHED: {shown!r} is not allowed; {reason}"
    places = (published, contract_path(published))
    for place in places:
        if problem := other_than_file(place):
            return f"{problem}; STORE_SEGMENTS_PUBLISHED names a file"
    if is_file(database) and any(_is_same_file(place, Path(database)) for place in places):
        return (
            f"STORE_SEGMENTS_PUBLISHED: {str(published)!r} is not allowed; it is the database of"
            " the build, which publishing would overwrite"
        )
    if reason := _not_ours(published):
        return (
            f"{published} is no published build of this project, and publishing would replace it"
            f" ({reason}); name another file in STORE_SEGMENTS_PUBLISHED, or delete this one"
        )
    return None


def _unusable(published: Path) -> str:
    """Why DuckDB or the file system cannot have a file of this name; empty if they can."""
    text = str(published)
    if not is_file(text):
        return "it is no path of a file on this machine"
    if "?" in text:
        return "DuckDB takes what follows ? for no part of the path"
    if not published.name:  # of `.` and `/`
        return "it is a folder"
    if text.encode(errors="replace") != os.fsencode(text):
        return "the name is not UTF-8"
    for place in (f"{text}.wal", contract_path(published)):
        try:
            os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return str(error.strerror)
    return ""


def _is_same_file(published: Path, database: Path) -> bool:
    """Whether two paths are one file, by way of links or of where they start, too."""
    if published.exists() and database.exists():
        return published.samefile(database)
    return published.resolve() == database.resolve()


def _not_ours(published: Path) -> str:
    """Why a file must not be replaced; empty for a published build and where there is nothing.

    A file that cannot be read counts as published if it has the contract of one.
    """
    if not published.exists() or published.stat().st_size == 0:
        return ""
    try:
        with published_file(published):
            return ""
    except NotPublishedError:
        return "it is another database"
    except PublishedFileError as error:
        return "" if has_contract(published) else str(error.__cause__).splitlines()[0]
