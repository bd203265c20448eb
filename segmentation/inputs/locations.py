"""Where an input is: files, an address, or a table; and the SQL that reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from segmentation.inputs.checks import Reader
from segmentation.warehouse.database import sql_literal

_PARQUET: Final = re.compile(r"\.(parquet|pq)$", re.IGNORECASE)
_DELIMITED_TEXT: Final = re.compile(r"\.(csv|tsv|txt)(\.(gz|zst))?$", re.IGNORECASE)
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
    def is_parquet(self) -> bool:
        """Whether the name ends like that of a Parquet file."""
        return _PARQUET.search(self.given) is not None

    @property
    def is_text(self) -> bool:
        """Whether the name ends like that of a delimited text file, compressed or not."""
        return _DELIMITED_TEXT.search(self.given) is not None

    @property
    def is_file(self) -> bool:
        """Whether the input is read from files. DuckDB tells their format by their names."""
        return self.is_parquet or self.is_text

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
    def reader(self) -> Reader:
        """The table function that reads the files.

        Text is read as text: staging decides what is a number, and lists in `rejected_rows` what
        is not. A line that is too short has nulls at its end.
        """
        if self.is_parquet:
            sql = f"read_parquet({sql_literal(self.path)}, union_by_name = true)"
        else:
            sql = (
                f"read_csv({sql_literal(self.path)}, all_varchar = true, header = true,"
                " null_padding = true, union_by_name = true)"
            )
        return Reader(sql, self.path, self.is_text)

    def relation(self, options: str = "") -> str:
        """SQL that stands after `from`: the files or the table.

        Parameters
        ----------
        options
            More options of `read_csv`, which the check of the inputs found to be needed.
        """
        if not self.is_file:
            return self.given
        sql = self.reader.with_options(options)
        if "ignore_errors" in options:
            # DuckDB leaves out a line only if it looks at the value that is wrong: look at all
            return f"(select * from {sql} as _line where hash(_line) is not null)"
        return sql
