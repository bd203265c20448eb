from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from segmentation.settings import (
    EXTERNAL_SCOPE,
    LANE_DEFAULTS,
    LANES,
    LEADING_SIGNS,
    Lane,
    ScopeSettings,
    Settings,
    SettingsError,
    money_pattern,
)

REPOSITORY = Path(__file__).parents[2]
PROJECT_FILE = REPOSITORY / "dbt_project.yml"


def problems(given_settings: Any) -> list[str]:
    """Lines of the error that these settings cause."""
    with pytest.raises(SettingsError) as caught:
        Settings(given_settings)
    return str(caught.value).splitlines()


def documented() -> dict[str, Any]:
    """The var `segmentation` of the project file."""
    project = yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8"))
    settings: dict[str, Any] = project["vars"]["segmentation"]
    return settings


@pytest.mark.parametrize("lane", LANES)
def test_the_project_file_documents_the_defaults_that_hold_without_it(lane: Lane) -> None:
    scope = EXTERNAL_SCOPE if lane == "external" else "Snacks"
    with_file, without = Settings(documented()), Settings({})
    lanes = {"internal", "external"}
    assert with_file.for_scope(lane, scope) == without.for_scope(lane, scope)
    assert with_file.project.model_dump(exclude=lanes) == without.project.model_dump(exclude=lanes)


@pytest.mark.parametrize("lane", LANES)
def test_the_project_file_documents_every_setting_that_there_is(lane: Lane) -> None:
    given_settings = documented()
    names = {*given_settings, *given_settings[lane]}
    assert names == {*ScopeSettings.model_fields, *Settings({}).project.model_dump()}


@pytest.mark.parametrize("empty", [None, {}])
def test_no_settings_are_the_defaults(empty: dict[str, Any] | None) -> None:
    chosen = Settings(empty).for_scope("internal", "Snacks")
    assert chosen == ScopeSettings(**LANE_DEFAULTS["internal"])


def test_giving_one_setting_changes_that_one_and_nothing_else() -> None:
    for lane in LANES:
        default = Settings({}).for_scope(lane, "Snacks").model_dump()
        changed = Settings({"max_clusters": 6}).for_scope(lane, "Snacks").model_dump()
        assert changed == {**default, "max_clusters": 6}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ({}, ("none", "robust")),
        ({"normalize_method": "zscore"}, ("zscore", "zscore")),
        (
            {"normalize_method": "zscore", "external": {"normalize_method": "minmax"}},
            ("zscore", "minmax"),
        ),
        ({"scopes": {"Snacks": {"normalize_method": "maxabs"}}}, ("maxabs", "robust")),
        (
            {
                "normalize_method": "zscore",
                "internal": {"normalize_method": "minmax"},
                "scopes": {
                    "Snacks": {"normalize_method": "robust"},
                    "external": {"normalize_method": "none"},
                },
            },
            ("robust", "none"),
        ),
    ],
)
def test_the_narrowest_place_wins(layers: dict[str, Any], expected: tuple[str, str]) -> None:
    settings = Settings(layers)
    internal = settings.for_scope("internal", "Snacks").normalize_method
    external = settings.for_scope("external", EXTERNAL_SCOPE).normalize_method
    assert (internal, external) == expected


def test_an_override_of_one_scope_leaves_the_other_scopes_alone() -> None:
    settings = Settings({"max_clusters": 6, "scopes": {"Snacks": {"max_clusters": 4}}})
    assert settings.for_scope("internal", "Snacks").max_clusters == 4
    assert settings.for_scope("internal", "Dairy").max_clusters == 6
    assert settings.for_scope("external", EXTERNAL_SCOPE).max_clusters == 6


@pytest.mark.parametrize(
    "given_settings",
    [
        {"max_clusters": None},
        {"max_clusters": 6, "internal": {"max_clusters": None}},
        {"internal": None, "scopes": None, "sales_window": None},
        {"max_clusters": 6, "scopes": {"Snacks": {"max_clusters": None}}},
    ],
)
def test_a_setting_that_is_null_counts_as_not_given(given_settings: dict[str, Any]) -> None:
    expected = given_settings.get("max_clusters") or 10
    assert Settings(given_settings).for_scope("internal", "Snacks").max_clusters == expected


@pytest.mark.parametrize(
    ("given_settings", "path", "suggestion"),
    [
        ({"max_cluster": 6}, "segmentation.max_cluster", "did you mean max_clusters?"),
        ({"sead": 6}, "segmentation.sead", "did you mean seed?"),
        ({"pinned_model": {}}, "segmentation.pinned_model", "did you mean pinned_models?"),
        ({"internal": {"sead": 1}}, "segmentation.internal.sead", "did you mean seed?"),
        ({"scopes": {"A": {"transforms": 1}}}, "segmentation.scopes.A.transforms", "transform?"),
    ],
)
def test_an_unknown_setting_is_refused_with_its_path_and_the_name_that_comes_closest(
    given_settings: dict[str, Any], path: str, suggestion: str
) -> None:
    (line,) = problems(given_settings)
    assert line.startswith(f"{path}: unknown setting; ")
    assert suggestion in line


def test_an_unknown_setting_far_from_all_names_gets_the_list_and_no_suggestion() -> None:
    (line,) = problems({"qqqqqq": 1})
    assert "did you mean" not in line
    assert line.endswith(
        ", ".join(sorted([*ScopeSettings.model_fields, *Settings({}).project.model_dump()]))
    )


@pytest.mark.parametrize(
    "name",
    [
        "retrain",
        "sales_window",
        "pinned_models",
        "duplicate_sales",
        "returns",
        "max_rejected_share",
    ],
)
def test_what_is_said_once_for_the_project_may_not_stand_in_an_override(name: str) -> None:
    for place in ({"internal": {name: "x"}}, {"scopes": {"Snacks": {name: "x"}}}):
        (line,) = problems(place)
        assert f".{name}: unknown setting; " in line
        assert name not in line.split("allowed here: ")[1].split(", ")


def test_an_unknown_setting_is_refused_even_when_its_value_is_null() -> None:
    (line,) = problems({"max_cluster": None})
    assert line.startswith("segmentation.max_cluster: unknown setting")


def test_an_unknown_key_of_the_sales_window_is_told_what_a_window_has() -> None:
    (line,) = problems({"sales_window": {"begin": "2024-01-01"}})
    assert line == "segmentation.sales_window.begin: unknown setting; allowed here: end, start"


@pytest.mark.parametrize(
    ("given_settings", "expected"),
    [
        ({"max_clusters": 1}, "segmentation.max_clusters: 1 is not allowed"),
        ({"max_clusters": True}, "segmentation.max_clusters: True is not allowed"),
        ({"max_clusters": 6.5}, "segmentation.max_clusters: 6.5 is not allowed"),
        ({"max_clusters": "six"}, "segmentation.max_clusters: 'six' is not allowed"),
        ({"min_clusters": 1}, "segmentation.min_clusters: 1 is not allowed"),
        ({"seed": -1}, "segmentation.seed: -1 is not allowed"),
        ({"seed": 2**31}, "segmentation.seed: 2147483648 is not allowed"),
        ({"max_missing_share": 1.1}, "segmentation.max_missing_share: 1.1 is not allowed"),
        ({"low_variance_threshold": 1}, "segmentation.low_variance_threshold: 1 is not allowed"),
        ({"multicollinearity_threshold": 0}, "multicollinearity_threshold: 0 is not allowed"),
        ({"zero_replacement": 0}, "segmentation.zero_replacement: 0 is not allowed"),
        ({"outlier_fraction": 0.6}, "segmentation.outlier_fraction: 0.6 is not allowed"),
        ({"outlier_fraction": math.nan}, "segmentation.outlier_fraction: nan is not allowed"),
        ({"pca_variance": 0}, "segmentation.pca_variance: 0 is not allowed"),
        ({"pca_variance": 80}, "segmentation.pca_variance: 80 is not allowed"),
        ({"min_components": 0}, "segmentation.min_components: 0 is not allowed"),
        ({"min_segment_size": 0}, "segmentation.min_segment_size: 0 is not allowed"),
        (
            {"transform": "log"},
            "transform: 'log' is not allowed; input should be 'log_ratio_gaps', 'clr'",
        ),
        ({"selection": "elbow"}, "segmentation.selection: 'elbow' is not allowed"),
        ({"retrain": "always"}, "segmentation.retrain: 'always' is not allowed"),
        ({"ignore_features": "abc"}, "segmentation.ignore_features: 'abc' is not allowed"),
        ({"ignore_features": ["a", 1]}, "segmentation.ignore_features.1: 1 is not allowed"),
        ({"pinned_models": {"Snacks": 7}}, "segmentation.pinned_models.Snacks: 7 is not allowed"),
        ({"internal": {"seed": -1}}, "segmentation.internal.seed: -1 is not allowed"),
        ({"external": 5}, "segmentation.external: 5 is not allowed"),
        ({"scopes": {"Snacks": {"seed": -1}}}, "scopes.Snacks.seed: -1 is not allowed"),
        ({"scopes": {"Snacks": 5}}, "segmentation.scopes.Snacks: 5 is not allowed"),
        ({"scopes": []}, "segmentation.scopes: [] is not allowed"),
        ({"sales_window": {"start": "soon"}}, "sales_window.start: 'soon' is not allowed"),
        ({"currency": ""}, "segmentation.currency: '' is not allowed; give a text of 1 to 10"),
        ({"currency": "  "}, "segmentation.currency: '  ' is not allowed; give a text of 1 to 10"),
        ({"currency": 5}, "segmentation.currency: 5 is not allowed; give a text of 1 to 10"),
        (
            {"currency": "1,5"},
            "currency: '1,5' is not allowed; give a sign or code such as $ or EUR",
        ),
        ({"currency": "E\nUR"}, "segmentation.currency: 'E\\nUR' is not allowed; give a text"),
        ({"currency": "dollars and cents"}, "currency: 'dollars and cents' is not allowed; give a"),
        (
            {"currency": ["$"]},
            "segmentation.currency: ['$'] is not allowed; give a text of 1 to 10",
        ),
        ({"labels": 5}, "segmentation.labels: 5 is not allowed"),
        ({"labels": {"a.b": 5}}, "segmentation.labels.a.b: 5 is not allowed; give a text, or"),
        (
            {"labels": {"a.b": ""}},
            "segmentation.labels.a.b.label: '' is not allowed; give a text of",
        ),
        (
            {"labels": {"a.b": []}},
            "labels.a.b: [] is not allowed; give a text, or a mapping of label",
        ),
        ({"labels": {"a.b": {"high": "x\ty"}}}, "labels.a.b.high: 'x\\ty' is not allowed; give a"),
        (
            {"labels": {"a.b": {"unit": 7}}},
            "segmentation.labels.a.b.unit: 7 is not allowed; give a",
        ),
        (
            {"labels": {"a.b": "x" * 61}},
            f"labels.a.b.label: '{'x' * 61}' is not allowed; give a text",
        ),
        ({"labels": {"a.b": "x" * 999}}, "x… is not allowed; give a text of 1 to 60 characters"),
        ({1: 2}, "segmentation.1: 1 is not allowed"),
        ([], "segmentation: [] is not allowed; it is a mapping of settings"),
        ("max_clusters: 6", "segmentation: 'max_clusters: 6' is not allowed"),
    ],
)
def test_an_impossible_value_is_refused_with_its_path_and_the_value(
    given_settings: Any, expected: str
) -> None:
    (line,) = problems(given_settings)
    assert expected in line


def test_an_unknown_key_of_a_label_is_told_what_a_label_has() -> None:
    (line,) = problems({"labels": {"a.b": {"hight": "tall"}}})
    assert line == (
        "segmentation.labels.a.b.hight: unknown setting; did you mean high?"
        " allowed here: high, label, low, unit"
    )


def test_blanks_around_a_currency_and_a_label_are_dropped() -> None:
    project = Settings({"currency": " € ", "labels": {"a.b": " bees "}}).project
    assert (project.currency, project.labels["a.b"].label) == ("€", "bees")


def test_all_problems_are_told_at_once_one_line_for_each() -> None:
    lines = problems(
        {
            "transform": "log",
            "seed": -1,
            "sead": 1,
            "retrain": "always",
            "internal": {"selection": "x"},
        }
    )
    paths = {line.split(":")[0] for line in lines}
    names = ("transform", "seed", "sead", "retrain", "internal.selection")
    assert paths == {f"segmentation.{name}" for name in names}
    assert len(lines) == len(names)


def test_a_sales_window_that_ends_before_it_starts_is_refused_with_both_days() -> None:
    (line,) = problems({"sales_window": {"start": "2024-02-01", "end": "2024-01-31"}})
    assert line == "segmentation.sales_window: start 2024-02-01 is after end 2024-01-31"


def test_a_sales_window_may_be_one_day_or_open_on_either_side() -> None:
    day = dt.date(2024, 2, 1)
    window = Settings({"sales_window": {"start": "2024-02-01", "end": day}}).project.sales_window
    assert (window.start, window.end) == (day, day)
    half_open = Settings({"sales_window": {"end": "2024-02-01"}}).project.sales_window
    assert (half_open.start, half_open.end) == (None, day)


@pytest.mark.parametrize(
    ("given_settings", "scope"),
    [
        ({"min_clusters": 11}, ""),
        ({"max_clusters": 3, "external": {"min_clusters": 4}}, "(external, external) "),
        ({"min_clusters": 4, "scopes": {"Snacks": {"max_clusters": 3}}}, "(internal, Snacks) "),
        ({"scopes": {"external": {"min_clusters": 11}}}, "external"),
    ],
)
def test_values_that_are_possible_alone_but_not_together_are_refused_before_any_fit(
    given_settings: dict[str, Any], scope: str
) -> None:
    (line,) = problems(given_settings)
    assert scope in line
    assert "must not exceed max_clusters" in line


def test_the_block_of_the_external_scope_is_not_combined_with_the_internal_lane() -> None:
    settings = Settings(
        {"internal": {"max_clusters": 3}, "scopes": {"external": {"min_clusters": 5}}}
    )
    assert settings.for_scope("external", EXTERNAL_SCOPE).min_clusters == 5


def test_parsed_settings_cannot_change() -> None:
    settings = Settings({})
    with pytest.raises(ValidationError, match="frozen"):
        settings.for_scope("internal", "Snacks").seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        settings.project.retrain = "never"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seed": st.integers(0, 2**31 - 1),
            "pca_variance": st.floats(0.01, 1),
            "min_clusters": st.integers(2, 5),
            "max_clusters": st.integers(5, 100),
            "transform": st.sampled_from(["clr", "share"]),
            "ignore_features": st.lists(st.text(max_size=3), max_size=2),
        },
    )
)
def test_possible_settings_arrive_as_given(given_settings: dict[str, Any]) -> None:
    chosen = Settings(given_settings).for_scope("internal", "Snacks").model_dump(mode="json")
    assert {name: chosen[name] for name in given_settings} == given_settings


@pytest.mark.parametrize(
    ("currency", "pattern"), [(None, "{}"), ("€", "€{}"), ("$ ", "$ {}"), ("EUR", "{} EUR")]
)
def test_an_amount_has_its_currency_before_or_behind_the_number(
    currency: str | None, pattern: str
) -> None:
    assert money_pattern(currency) == pattern


def test_descriptions_put_the_same_currencies_before_the_number() -> None:
    macro = (REPOSITORY / "macros" / "words.sql").read_text(encoding="utf-8")
    assert f"currency[0] in '{LEADING_SIGNS}'" in macro
