"""What a user has said about the inputs: names of columns, formats, sheets, ids, the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segmentation.inputs.date_formats import is_strptime_format
from segmentation.inputs.names import InputError, normalized
from segmentation.inputs.number_formats import Decimal, Thousands

ReadAs = Literal["category", "number", "ignore"]
Aggregate = Literal["mean", "sum", "min", "max", "last", "most_frequent"]
IgnoredInIds = Literal["leading_zeros", "case"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnOptions(_Strict):
    """How one column is read, as the var `formats` says it.

    `date` is a `strptime` format or `excel`.
    """

    read_as: ReadAs | None = None
    date: str | None = None
    decimal: Decimal | None = None
    thousands: Thousands | None = None
    aggregate: Aggregate | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.date and self.date != "excel" and not is_strptime_format(self.date):
            raise ValueError(
                f"{self.date!r} is not a date format; write one such as %d/%m/%Y, with a "
                "four-digit year, or excel"
            )
        if self.decimal and self.decimal == self.thousands:
            raise ValueError("decimal and thousands cannot be the same mark")
        return self


class IdOptions(_Strict):
    """Differences between ids that do not count."""

    ignore: tuple[IgnoredInIds, ...] = ()


class _Given(_Strict):
    columns: dict[str, dict[str, str]] = Field(default_factory=dict)
    formats: dict[str, dict[str, ColumnOptions]] = Field(default_factory=dict)
    sheets: dict[str, str] = Field(default_factory=dict)
    ids: dict[Literal["store_id", "product_id"], IdOptions] = Field(default_factory=dict)
    max_rejected_share: float = Field(0.05, ge=0, le=1)
    returns: Literal["net", "reject"] = "net"


class InputOptions:
    """The parsed vars `columns`, `formats`, `sheets`, `ids`, `max_rejected_share` and `returns`.

    Raises
    ------
    InputError
        For an unknown name or an impossible value, one line per problem.
    """

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        named = {key: value for key, value in (given or {}).items() if value is not None}
        named["formats"] = _spelled_out(named.get("formats") or {})
        try:
            self._given = _Given.model_validate(named)
        except ValidationError as error:
            raise InputError(
                [
                    f"{'.'.join(str(part) for part in item['loc'])}: {item['input']!r} is not "
                    f"allowed; {item['msg'][0].lower()}{item['msg'][1:]}"
                    for item in error.errors(include_url=False)
                ]
            ) from error
        self.max_rejected_share = self._given.max_rejected_share
        self.returns = self._given.returns

    def columns(self, input_name: str) -> Mapping[str, str]:
        """Names in the file by our names."""
        return self._given.columns.get(input_name, {})

    def column(self, input_name: str, column: str) -> ColumnOptions:
        """What is set for one column; its name matches as names in files do."""
        for name, options in self._given.formats.get(input_name, {}).items():
            if normalized(name) == normalized(column):
                return options
        return ColumnOptions()

    def named_formats(self, input_name: str) -> tuple[str, ...]:
        """Columns that `formats` names."""
        return tuple(self._given.formats.get(input_name, {}))

    def sheet(self, input_name: str) -> str | None:
        """Name of the sheet of a workbook."""
        return self._given.sheets.get(input_name)

    def ignored_in_ids(self, column: str) -> tuple[str, ...]:
        """Differences that do not count in `store_id` or `product_id`."""
        ids = {str(key): value for key, value in self._given.ids.items()}
        return ids.get(column, IdOptions()).ignore


def _spelled_out(formats: object) -> object:
    """The var `formats` with a mapping for every column; what is no mapping is left to pydantic."""
    if not isinstance(formats, Mapping):
        return formats
    return {
        name: {column: _column(value) for column, value in block.items()}
        if isinstance(block, Mapping)
        else block
        for name, block in formats.items()
    }


def _column(value: object) -> object:
    """`category` is `{read_as: category}`; another text is a date format."""
    if not isinstance(value, str):
        return value
    if value in ("category", "number", "ignore"):
        return {"read_as": value}
    return {"date": value}
