"""Where an input is: files, an address, or a table; and the SQL that reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from segmentation.inputs.reading import file_kind
from segmentation.warehouse.database import sql_literal

_TABLE: Final = re.compile(r"\w+(\.\w+){0,2}")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Location:
    """The location of one input, as the var `inputs` gives it.

    Parameters
    ----------
    given
        Path, glob, URL or table name.
    project_dir
        Folder of the dbt project, where relative paths start.

    Examples
    --------
    >>> Location("data/sales.csv", "/shop").path
    '/shop/data/sales.csv'
    >>> Location("shop.main.sales").is_table
    True
    """

    given: str
    project_dir: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the input is read from files; their names tell the format."""
        return file_kind(self.given) is not None

    @property
    def is_text(self) -> bool:
        """Whether the start of a build loads the values as texts."""
        kind = file_kind(self.given)
        return kind is not None and not kind.has_types

    @property
    def is_table(self) -> bool:
        """Whether it reads like `database.schema.table`, `schema.table` or `table`."""
        return not self.is_file and _TABLE.fullmatch(self.given) is not None

    @property
    def table_parts(self) -> Sequence[str]:
        """The names of a table, the table itself first."""
        return self.given.split(".")[::-1]

    @property
    def path(self) -> str:
        """The path as DuckDB takes it: it does not depend on the working directory."""
        is_absolute = self.given.startswith("/") or _DRIVE.match(self.given) is not None
        if is_absolute or "://" in self.given:
            return self.given
        return (Path(self.project_dir) / self.given).as_posix()

    @property
    def relation(self) -> str:
        """SQL for the `from` clause: the files as DuckDB reads them by default, or the table."""
        return sql_literal(self.path) if self.is_file else self.given
