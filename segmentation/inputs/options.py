"""What a user has set for the inputs: columns, formats, sheets, encodings, what is tolerated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from segmentation.inputs.date_formats import is_strptime_format
from segmentation.inputs.names import REQUIRED, InputError, normalized, unknown_input
from segmentation.inputs.number_formats import Decimal, Thousands
from segmentation.settings import SETTINGS, Settings

#: Vars of the project beside those of `INPUT_VARS`.
OTHER_VARS: Final = (
    "inputs",
    "external_sources",
    "known_external_sources",
    "segmentation",
    "engine",
)
#: A var of another project is seldom so much like one of this project.
_LIKE: Final = 0.8
#: Vars that say how inputs are read.
INPUT_VARS: Final = ("columns", "formats", "sheets", "encodings")
ReadAs = Literal["category", "number", "ignore"]


def misspelled_vars(names: Iterable[str]) -> list[str]:
    """Vars that have no effect where they are, one line each.

    They are settings outside of `segmentation`, or nearly have a name of this project. Other names
    can be vars of your own models.
    """
    known = (*OTHER_VARS, *INPUT_VARS)
    problems = []
    for name in names:
        if name in SETTINGS:
            problems.append(f"{name}: it is a setting; write segmentation: {{{name}: ...}}")
        elif name not in known and (close := get_close_matches(name, known, 1, _LIKE)):
            problems.append(
                f"{name}: unknown var; did you mean {close[0]}? This project has:"
                f" {', '.join(known)}"
            )
    return problems


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnOptions(_Strict):
    """How one column is read, as the var `formats` says it.

    `date` is a `strptime` format or `excel`. With `currency: mixed` signs of several currencies do
    not matter.
    """

    read_as: ReadAs | None = None
    date: str | None = None
    decimal: Decimal | None = None
    thousands: Thousands | None = None
    currency: Literal["mixed"] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What is set, as the user says it: `category`, `decimal`, `date`."""
        given = self.model_dump(exclude_none=True)
        return tuple(str(given[name]) if name == "read_as" else name for name in given)

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


def _known_encoding(name: str) -> str:
    """The name of an encoding, if Python has one of that name for texts."""
    try:
        "".encode(name)
    except LookupError:
        raise ValueError("it is the name of an encoding, such as cp850 or mac_roman") from None
    return name


class _Given(_Strict):
    columns: dict[str, dict[str, str]] = Field(default_factory=dict)
    formats: dict[str, dict[str, ColumnOptions]] = Field(default_factory=dict)
    sheets: dict[str, str] = Field(default_factory=dict)
    encodings: dict[str, Annotated[str, AfterValidator(_known_encoding)]] = Field(
        default_factory=dict
    )


class InputOptions:
    """The parsed vars that `INPUT_VARS` lists, and the settings that concern inputs.

    Parameters
    ----------
    given
        The vars by name.
    settings
        The parsed var `segmentation`, of which `max_rejected_share`, `returns`,
        `duplicate_sales` and `ignore_in_ids` are used.

    Raises
    ------
    InputError
        For an unknown name or an impossible value, one line per problem.
    """

    def __init__(
        self, given: Mapping[str, Any] | None = None, settings: Settings | None = None
    ) -> None:
        named = {key: value for key, value in (given or {}).items() if value is not None}
        named["formats"] = _spelled_out(named.get("formats") or {})
        try:
            self._given = _Given.model_validate(named)
        except ValidationError as error:
            raise InputError(
                [
                    f"{'.'.join(str(part) for part in item['loc'])}: {item['input']!r} is not "
                    f"allowed; {message[0].lower()}{message[1:]}"
                    for item in error.errors(include_url=False)
                    for message in [item["msg"].removeprefix("Value error, ")]
                ]
            ) from error
        project = (settings or Settings(None)).project
        self.max_rejected_share = project.max_rejected_share
        self.returns = project.returns
        self.rejects_repeats = project.duplicate_sales == "reject"
        self.ignored_in_ids = project.ignore_in_ids

    def unknown_inputs(self, known: Sequence[str]) -> list[str]:
        """What is set for inputs that there are not, one line each.

        Parameters
        ----------
        known
            Names of the external inputs that are possible.
        """
        return [
            unknown_input(var, name, known)
            for var in INPUT_VARS
            for name in getattr(self._given, var)
            if name not in (*REQUIRED, *known)
        ]

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

    def encoding(self, input_name: str) -> str | None:
        """Encoding of the text files of an input."""
        return self._given.encodings.get(input_name)


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
