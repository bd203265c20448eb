"""The `segmentation` var of `dbt_project.yml`: names, defaults, limits and overrides.

Precedence, weakest first: the default of the setting, the default of the lane, the top level of
the var, its `internal:` or `external:` block, its `scopes: <name>:` block.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    create_model,
    model_validator,
)

Lane = Literal["internal", "external"]
#: What the shares of the internal lane enter as.
Transform = Literal["log_ratio_gaps", "clr", "share"]
#: Where the models of scopes are fitted.
FitOn = Literal["processes", "engine", "dask", "ray"]
#: How long the periods are that sales are summed by.
Period = Literal["day", "week", "two_weeks", "month"]
LANES: Final[tuple[Lane, Lane]] = ("internal", "external")
EXTERNAL_SCOPE: Final = "external"

#: Where the lanes differ by default; docs/decisions 0001 and 0005 have the measurements.
LANE_DEFAULTS: Final[dict[Lane, dict[str, Any]]] = {
    "internal": {"normalize_method": "none"},
    "external": {"normalize_method": "robust"},
}


#: Settings that act in one lane only; elsewhere they are refused, and no model depends on them.
ONLY_IN: Final[dict[Lane, frozenset[str]]] = {
    "internal": frozenset(
        {"transform", "zero_replacement", "min_segment_size", "min_training_rows"}
    ),
    "external": frozenset({"max_categories", "log_skewness_threshold"}),
}


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one line per problem, written for people."""


#: Currencies that stand before a number begin with one of these; others stand behind it.
LEADING_SIGNS: Final = "$€£¥"
#: Where a run says its currency, in SQL on `governance.runs`.
CURRENCY_OF_RUN: Final = "json_extract_string(vars, '$.segmentation.currency')"
#: Longest texts of `labels` and `currency`, in characters.
LONGEST_LABEL: Final = 60
LONGEST_UNIT: Final = 20
LONGEST_CURRENCY: Final = 10
_LONGEST_SHOWN: Final = 80
#: Control characters and line breaks of any kind.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class _Strict(BaseModel):
    """Base of all settings: unknown keys are errors, values cannot change after parsing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _size_or_auto(value: object) -> object:
    """Accept a positive number of stores, or `auto`."""
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f"{value!r} is not allowed; give a number of stores from 1, or auto")


#: A number of stores, or a number that follows from the size of the chain.
SizeOrAuto = Annotated[int | Literal["auto"], PlainValidator(_size_or_auto)]


def _short_text(longest: int) -> Callable[[object], object]:
    """Check for a text of 1 to `longest` characters on one line, tidied."""

    def check(value: object) -> object:
        text = value.strip() if isinstance(value, str) else ""
        if 1 <= len(text) <= longest and not _CONTROL.search(text):
            return text
        raise ValueError(
            f"{_shown(value)} is not allowed; give a text of 1 to {longest} characters on one line"
        )

    return check


def _currency(value: object) -> object:
    """Accept a sign or code of a currency, such as `$` or `EUR`."""
    text = _short_text(LONGEST_CURRENCY)(value)
    if any(character.isdigit() for character in str(text)):
        raise ValueError(f"{_shown(value)} is not allowed; give a sign or code such as $ or EUR")
    return text


def money_pattern(currency: str | None) -> str:
    """Text of an amount with `{}` in the place of its number, as in `€{}` or `{} EUR`.

    The macro `readable_money` writes the amounts of descriptions in the same way.
    """
    if not currency:
        return "{}"
    return f"{currency}{{}}" if currency[0] in LEADING_SIGNS else f"{{}} {currency}"


def _shown(value: object) -> str:
    """A value as a message shows it: on one line, and not longer than that."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


class SalesWindow(_Strict):
    """First and last day of the sales that count, both included; `None` is open."""

    start: dt.date | None = None
    end: dt.date | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        return self


_LabelText = Annotated[str, PlainValidator(_short_text(LONGEST_LABEL))]


class Label(_Strict):
    """How a column, a level or a need state is called in names and sentences.

    Attributes
    ----------
    label
        Noun, such as `household income` or `rural areas`.
    high, low
        Phrase for a segment above or below the other stores, such as `higher-income areas`.
    unit
        Unit of the values: `%` for shares of 0 to 1, a currency, or any word.
    """

    label: _LabelText | None = None
    high: _LabelText | None = None
    low: _LabelText | None = None
    unit: Annotated[str, PlainValidator(_short_text(LONGEST_UNIT))] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            return {"label": value}
        if not isinstance(value, Mapping):
            raise ValueError(  # noqa: TRY004 (pydantic shows it)
                f"{_shown(value)} is not allowed; give a text, or a mapping of"
                f" {', '.join(cls.model_fields)}"
            )
        return value


class ScopeSettings(_Strict):
    """Everything that shapes the model of one scope (a product category, or `external`)."""

    seed: int = Field(42, ge=0, le=2**31 - 1)
    ignore_features: tuple[str, ...] = ()
    max_missing_share: float = Field(0.5, ge=0, le=1)
    low_variance_threshold: float = Field(0.01, ge=0, lt=1)
    multicollinearity_threshold: float = Field(0.95, gt=0, le=1)
    max_categories: int = Field(20, ge=2, le=200)
    log_skewness_threshold: float = Field(0.5, ge=0)
    transform: Transform = "log_ratio_gaps"
    zero_replacement: float = Field(0.05, gt=0, lt=1)
    numeric_imputation: Literal["mean", "median", "mode"] = "median"
    normalize_method: Literal["robust", "zscore", "minmax", "maxabs", "none"] = "robust"
    outlier_method: Literal["iforest", "none"] = "iforest"
    outlier_fraction: float = Field(0.05, ge=0, le=0.5)
    pca_variance: float = Field(0.8, gt=0, le=1)
    min_components: int = Field(5, ge=1)
    min_clusters: int = Field(2, ge=2, le=100)
    max_clusters: int = Field(10, ge=2, le=100)
    n_clusters: int | None = Field(None, ge=2, le=100)
    selection: Literal["mixture", "vote", "silhouette", "calinski_harabasz", "davies_bouldin"] = (
        "mixture"
    )
    stability_threshold: float = Field(0.6, ge=0, le=1)
    stability_resamples: int = Field(20, ge=2, le=1000)
    gap_references: int = Field(20, ge=2, le=1000)
    silhouette_sample: int = Field(5000, ge=100)
    min_cluster_size: int = Field(5, ge=1)
    min_segment_size: SizeOrAuto = "auto"
    min_training_sales: float = Field(0.0, ge=0)
    min_training_rows: int = Field(50, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_clusters > self.max_clusters:
            raise ValueError(
                f"min_clusters ({self.min_clusters}) must not exceed "
                f"max_clusters ({self.max_clusters})"
            )
        return self


#: The same names with the same limits, all of them optional: what an override block may contain.
ScopeOverrides: type[BaseModel] = create_model(
    "ScopeOverrides",
    __base__=_Strict,
    **{  # type: ignore[call-overload]
        name: (field.rebuild_annotation() | None, None)
        for name, field in ScopeSettings.model_fields.items()
    },
)


class _ProjectBlock(_Strict):
    """Settings of the whole project, and the blocks of the lanes and scopes."""

    strict: bool = False
    memory_limit: str | None = Field(None, pattern=r"^[0-9.]+ ?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)$")
    temp_directory: str | None = None
    sales_window: SalesWindow = SalesWindow()
    period: Period = "two_weeks"
    duplicate_sales: Literal["keep", "reject"] = "keep"
    returns: Literal["net", "reject"] = "net"
    max_rejected_share: float = Field(0.05, ge=0, le=1)
    ignore_in_ids: tuple[Literal["leading_zeros", "case"], ...] = ()
    external_aggregation: dict[str, Literal["mean", "sum", "last", "min", "max"]] = Field(
        default_factory=dict
    )
    retrain: Literal["auto", "never"] = "auto"
    fit_on: FitOn = "processes"
    pinned_models: dict[str, str] = Field(default_factory=dict)
    drift_false_alarm_rate: float = Field(0.01, gt=0, le=0.5)
    labels: dict[str, Label] = Field(default_factory=dict)
    cost_per_segment: float = Field(0.0, ge=0)
    max_segments_total: int | None = Field(None, ge=1)
    n_store_groups: int | None = Field(None, ge=1, le=1000)
    currency: Annotated[str, PlainValidator(_currency)] | None = None
    picture_formats: tuple[Literal["png", "svg"], ...] = ("png",)
    internal: ScopeOverrides | None = None  # type: ignore[valid-type]
    external: ScopeOverrides | None = None  # type: ignore[valid-type]
    scopes: dict[str, ScopeOverrides] = Field(default_factory=dict)  # type: ignore[valid-type]


_PROJECT_NAMES: Final = tuple(_ProjectBlock.model_fields)
_SCOPE_NAMES: Final = tuple(ScopeSettings.model_fields)
#: What the var `segmentation` can have at its top.
SETTINGS: Final = frozenset({*_PROJECT_NAMES, *_SCOPE_NAMES})


class Settings:
    """The parsed `segmentation` var.

    Parameters
    ----------
    given
        The mapping from the project file or from `--vars`; `None` is an empty one.

    Raises
    ------
    SettingsError
        For an unknown key or an impossible value; one line for each, with the path of the var,
        the value and what is allowed.

    Examples
    --------
    >>> settings = Settings({"max_clusters": 6, "scopes": {"Snacks": {"max_clusters": 4}}})
    >>> settings.for_scope("internal", "Snacks").max_clusters
    4
    >>> settings.for_scope("external", "external").max_clusters
    6
    """

    def __init__(self, given: Mapping[str, Any] | None) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise SettingsError(
                f"segmentation: {given!r} is not allowed; it is a mapping of settings"
            )
        given = dict(given or {})
        problems: list[str] = []
        at_top = {key: value for key, value in given.items() if key not in _PROJECT_NAMES}
        for model, part in (
            (_ProjectBlock, _said(given)),
            (ScopeOverrides, at_top),
        ):
            try:
                model.model_validate(part)
            except ValidationError as error:
                problems.extend(_explain(error))
        if not problems:
            problems.extend(_in_the_wrong_lane(given))
        if problems:
            raise SettingsError("\n".join(problems))
        self.project = _ProjectBlock.model_validate(_said(given))
        self._given = given
        self._at_top = at_top
        self._check_combinations()

    def _check_combinations(self) -> None:
        """Resolve every scope that is named, so that a wrong combination is found at once."""
        self.for_scope("external", EXTERNAL_SCOPE)
        for scope in ["", *self.project.scopes]:
            if scope != EXTERNAL_SCOPE:
                self.for_scope("internal", scope)

    def for_scope(self, lane: Lane, scope: str) -> ScopeSettings:
        """Settings in force for one scope of one lane, overrides applied."""
        layers: Iterable[Mapping[str, Any]] = (
            LANE_DEFAULTS[lane],
            self._at_top,
            self._given.get(lane) or {},
            (self._given.get("scopes") or {}).get(scope) or {},
        )
        merged = {
            key: value for layer in layers for key, value in layer.items() if value is not None
        }
        try:
            return ScopeSettings.model_validate(merged)
        except ValidationError as error:
            place = f"({lane}, {scope}) " if scope else f"({lane}) "
            raise SettingsError("\n".join(_explain(error, prefix=place))) from error


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    """Project settings among the given ones; null is the same as not given."""
    return {
        key: value for key, value in given.items() if key in _PROJECT_NAMES and value is not None
    }


def _explain(error: ValidationError, prefix: str = "") -> list[str]:
    """Turn pydantic's errors into lines with the var's path, the value and what is allowed."""
    lines = []
    for item in error.errors(include_url=False, include_context=True):
        path = ".".join(["segmentation", *(str(part) for part in item["loc"])])
        if item["type"] == "extra_forbidden":
            name = str(item["loc"][-1])
            allowed = _allowed_beside(item["loc"])
            close = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            lines.append(
                f"{prefix}{path}: unknown setting; {hint}allowed here: {', '.join(allowed)}"
            )
        elif item["type"] == "value_error":
            lines.append(f"{prefix}{path}: {item['ctx']['error']}")
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            lines.append(f"{prefix}{path}: {_shown(item['input'])} is not allowed; {message}")
    return lines


def _allowed_beside(location: tuple[int | str, ...]) -> list[str]:
    """Names that may stand where an unknown one was found."""
    for name, block in (("sales_window", SalesWindow), ("labels", Label)):
        if location[0] == name:
            return sorted(block.model_fields)
    return sorted([*_SCOPE_NAMES, *(_PROJECT_NAMES if len(location) == 1 else ())])


def _in_the_wrong_lane(given: Mapping[str, Any]) -> list[str]:
    """Settings in a block where they would have no effect."""
    blocks: list[tuple[str, Lane, Mapping[str, Any]]] = [
        (lane, lane, given.get(lane) or {}) for lane in LANES
    ]
    for scope, block in (given.get("scopes") or {}).items():
        lane: Lane = "external" if scope == EXTERNAL_SCOPE else "internal"
        blocks.append((f"scopes.{scope}", lane, block or {}))
    other: dict[Lane, Lane] = {"internal": "external", "external": "internal"}
    return [
        f"segmentation.{path}.{name}: acts in the {other[lane]} lane only"
        for path, lane, block in blocks
        for name, value in block.items()
        if value is not None and name in ONLY_IN[other[lane]]
    ]
