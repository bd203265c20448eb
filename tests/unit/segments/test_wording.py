from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.segments.wording import (
    LONGEST_NAME,
    Trait,
    clause,
    default_names,
    phrase,
    segment_traits,
    segment_wording,
    sells_sentence,
    stands_sentence,
)
from segmentation.settings import Label, Lane, Settings


def trait(
    column: str,
    mean: float,
    overall: float,
    level: str | None = None,
    lane: Lane = "external",
) -> Trait:
    """A trait of a column in the words of the input."""
    feature = column.replace(" ", "_") + (f" = {level}" if level else "")
    return Trait(lane, feature, column, level, mean, overall, mean > overall)


@pytest.mark.parametrize(
    ("found", "name", "said"),
    [
        (
            trait("Sensitive", 0.31, 0.22, lane="internal"),
            "Sensitive",
            "more Sensitive (31 % of sales against 22 %)",
        ),
        (
            trait("Overnight", 0.05, 0.12, lane="internal"),
            "Overnight-light",
            "less Overnight (5.0 % of sales against 12 %)",
        ),
        (
            trait("Value Pack", 0.05, 0.12, lane="internal"),
            "light on Value Pack",
            "less Value Pack (5.0 % of sales against 12 %)",
        ),
        (
            trait("median income usd", 118_787.0, 84_823.0),
            "high median income",
            "median income is higher (118,787 USD against 84,823)",
        ),
        (
            trait("dwell minutes", 12.0, 30.0),
            "low dwell time",
            "dwell time is lower (12.0 minutes against 30.0)",
        ),
        (
            trait("share evening visits", 0.367, 0.297),
            "many evening visits",
            "the share of evening visits is higher (37 % against 30 %)",
        ),
        (
            trait("unemployment rate", 0.02, 0.05),
            "low unemployment rate",
            "unemployment rate is lower (2.0 % against 5.0 %)",
        ),
        (
            trait("competitors within 1km", 12.1, 4.5678),
            "many competitors within 1km",
            "there are more competitors within 1km (12.1 against 4.57)",
        ),
        (
            trait("population density per sqkm", 156.0, 2542.0),
            "low population density",
            "population density is lower (156 per sq km against 2,542)",
        ),
        (
            trait("area type", 0.69, 0.27, level="suburban"),
            "suburban (area)",
            "the area is more often suburban (69 % of stores against 27 %)",
        ),
        (
            trait("area type", 0.05, 0.27, level="two_room"),
            "not two room (area)",
            "the area is less often two room (5.0 % of stores against 27 %)",
        ),
    ],
)
def test_a_trait_without_a_label_reads_as_its_column(found: Trait, name: str, said: str) -> None:
    assert phrase(found, {}) == name
    assert clause(found, {}) == said


def test_labels_give_columns_levels_and_need_states_the_words_of_planners() -> None:
    labels = {
        "income": Label(label="household income", high="higher-income areas", unit="$"),
        "area_type = rural": Label(label="rural areas"),
        "area_type": Label(label="surroundings"),
        "Sensitive": Label(label="sensitive skin", low="no sensitive skin"),
    }
    rich, poor = trait("income", 54_321.0, 43_210.0), trait("income", 1.0, 2.0)
    assert phrase(rich, labels) == "higher-income areas"
    assert phrase(poor, labels) == "low household income"
    assert clause(rich, labels) == "household income is higher ($54,321 against $43,210)"
    rural = trait("area type", 0.6, 0.3, level="rural")
    assert phrase(rural, labels) == "rural areas"
    assert clause(rural, labels) == "rural areas are more common (60 % of stores against 30 %)"
    assert phrase(trait("area type", 0.6, 0.3, level="town"), labels) == "town (surroundings)"
    assert phrase(trait("Sensitive", 0.1, 0.2, lane="internal"), labels) == "no sensitive skin"


def test_a_label_makes_a_number_a_percentage() -> None:
    labels = {"x": Label(label="graduates", unit="%")}
    assert clause(trait("x", 0.367, 0.2), labels) == (
        "the share of graduates is higher (37 % against 20 %)"
    )


def test_labels_may_be_plain_texts_in_the_settings() -> None:
    settings = Settings({"labels": {"a.b": "bees", "a.c": {"high": "many cats"}}})
    assert settings.project.labels == {"a.b": Label(label="bees"), "a.c": Label(high="many cats")}


def test_the_sentences_group_what_is_more_and_what_is_less() -> None:
    assert sells_sentence(["more A (3 % of sales against 1 %)", "less B (y)"]) == (
        "They sell more A (3 % of sales against 1 % on average) and less B (y)."
    )
    assert (
        sells_sentence(["more A (x)", "more B (y)"]) == "They sell more A (x on average) and B (y)."
    )
    assert sells_sentence(["more Bio (EU) (x)"]) == "They sell more Bio (EU) (x on average)."
    assert sells_sentence([]) == "Their sales mix is close to the average."
    assert stands_sentence(["the area is rural", "income is higher"]) == (
        "The area is rural and income is higher."
    )
    assert stands_sentence([]) is None


def test_a_name_joins_two_internal_traits_and_one_external() -> None:
    assert default_names(
        {
            "1-1": (["sensitive", "Overnight-light", "Organic"], ["high income", "rural (area)"]),
            "1-2": (["Organic"], []),
            "2-1": ([], ["rural (area)"]),
            "2-2": ([], []),
        }
    ) == {
        "1-1": "Sensitive, Overnight-light · high income",
        "1-2": "Organic",
        "2-1": "Average mix · rural (area)",
        "2-2": "Average mix",
    }


def test_names_that_would_be_equal_get_more_traits_and_then_their_id() -> None:
    assert default_names(
        {
            "1-1": (["A", "B", "C"], ["x"]),
            "1-2": (["A", "B", "D"], ["x"]),
            "2-1": (["E"], []),
            "2-2": (["E"], []),
        }
    ) == {"1-1": "A, B, C · x", "1-2": "A, B, D · x", "2-1": "E (2-1)", "2-2": "E (2-2)"}


def test_a_single_segment_is_all_stores() -> None:
    assert default_names({"1-1": (["A"], [])}) == {"1-1": "All stores"}


def test_a_long_name_loses_its_weaker_traits() -> None:
    names = default_names({"1-1": (["a" * 40, "b" * 40], ["c" * 15]), "1-2": (["d" * 80], [])})
    assert names["1-1"] == "A" + "a" * 39 + " · " + "c" * 15
    assert names["1-2"] == "D" + "d" * 58 + "…"


@given(
    st.dictionaries(
        st.sampled_from(["1-1", "1-2", "2-1", "2-2", "3-1"]),
        st.tuples(
            st.lists(st.sampled_from(["A", "B", "word " * 9, "x" * 70]), max_size=3),
            st.lists(st.sampled_from(["p", "q", "y" * 55]), max_size=2),
        ),
        min_size=1,
    )
)
def test_names_are_unique_and_never_longer_than_sixty_characters(
    traits: dict[str, tuple[list[str], list[str]]],
) -> None:
    names = default_names(traits)
    assert set(names) == set(traits)
    assert len(set(names.values())) == len(names)
    assert max(map(len, names.values())) <= LONGEST_NAME


def profile(
    segment: str, lane: str, feature: str, label: str, difference: float, n_stores: int = 40
) -> dict[str, Any]:
    """A row of the profiles."""
    return {
        "category": "Snacks",
        "segment_id": segment,
        "lane": lane,
        "feature": feature,
        "label": label,
        "mean_value": 0.5,
        "overall_mean": 0.4,
        "difference_in_sd": difference,
        "effect_size": 0.5,
        "n_stores": n_stores,
        "is_used": feature != "Unused",
    }


def models(internal: int | None = 2, external: int | None = 2) -> pl.DataFrame:
    """Models in force with that many clusters; None is a lane without a usable model."""
    given = [("internal", "Snacks", internal), ("external", "external", external)]
    return pl.DataFrame(
        [row for row in given if row[2] is not None],
        schema={"lane": pl.String, "scope": pl.String, "k": pl.Int32},
        orient="row",
    )


FEATURES = pl.DataFrame(
    {
        "lane": ["internal"] * 5 + ["external"],
        "scope": ["Snacks"] * 5 + ["external"],
        "feature": ["Salty", "Sweet", "Organic", "Unused", "Fresh", "a.area = town"],
        "category_column": [None] * 5 + ["a.area"],
    }
)
PROFILES = pl.DataFrame(
    [
        profile("1-1", "internal", "Salty", "Salty", 0.5),
        profile("1-1", "internal", "Sweet", "Sweet", -0.9),
        profile("1-1", "internal", "Organic", "Organic", 0.49),
        profile("1-1", "internal", "Unused", "Unused", 9.0),
        profile("1-1", "external", "a.area = town", "area = town", 0.55),
        profile("1-1", "internal", "Fresh", "Fresh", 0.5),
        *(
            profile("2-1", lane, feature, feature, -0.1)
            for lane, feature in FEATURES.select("lane", "feature").iter_rows()
        ),
    ]
)


def test_traits_are_the_clear_differences_of_used_features_strongest_first() -> None:
    traits = segment_traits(PROFILES, FEATURES, models(), Settings({}))
    assert traits.select("lane", "place", "phrase").rows() == [
        ("external", 1, "town (area)"),
        ("internal", 1, "Sweet-light"),
        ("internal", 2, "Fresh"),
        ("internal", 3, "Salty"),
    ]
    segments = pl.DataFrame({"category": ["Snacks"] * 2, "segment_id": ["1-1", "2-1"]})
    wording = segment_wording(segments, traits, models())
    assert wording.rows() == [
        (
            "Snacks",
            "1-1",
            "Sweet-light, Fresh · town (area)",
            "They sell more Fresh (50 % of sales against 40 % on average)"
            " and less Sweet (50 % of sales against 40 %).",
            "The area is more often town (50 % of stores against 40 %).",
        ),
        ("Snacks", "2-1", "Average mix", "Their sales mix is close to the average.", None),
    ]


@pytest.mark.parametrize(
    ("internal", "external", "names", "sells", "stands"),
    [
        (1, 2, ["Town (area)", "Average surroundings"], False, True),
        (None, 2, ["Town (area)", "Average surroundings"], False, True),
        (2, 1, ["Sweet-light, Fresh", "Average mix"], True, False),
        (1, 1, ["Average stores (1-1)", "Average stores (2-1)"], False, False),
    ],
)
def test_a_lane_without_clusters_is_not_mentioned(
    internal: int | None, external: int, names: list[str], *, sells: bool, stands: bool
) -> None:
    in_force = models(internal, external)
    traits = segment_traits(PROFILES, FEATURES, in_force, Settings({}))
    segments = pl.DataFrame({"category": ["Snacks"] * 2, "segment_id": ["1-1", "2-1"]})
    wording = segment_wording(segments, traits, in_force)
    assert wording["computed_name"].to_list() == names
    assert wording["sells"].is_not_null().to_list() == [sells, sells]
    assert wording["stands"].is_not_null()[0] == stands


@pytest.mark.parametrize(("n_stores", "n_traits"), [(8, 0), (12, 1), (15, 2), (40, 2)])
def test_a_difference_of_few_stores_has_to_be_larger_than_chance(
    n_stores: int, n_traits: int
) -> None:
    profiles = pl.DataFrame(
        [
            profile("1-1", "internal", "Salty", "Salty", 0.51, n_stores),
            profile("1-1", "internal", "Sweet", "Sweet", 0.6, n_stores),
            profile("2-1", "internal", "Salty", "Salty", -0.1, 200),
            profile("2-1", "internal", "Sweet", "Sweet", -0.1, 200),
        ]
    )
    assert segment_traits(profiles, FEATURES, models(), Settings({})).height == n_traits


def test_without_sales_a_segment_is_called_by_its_surroundings() -> None:
    traits = segment_traits(
        pl.DataFrame(
            [
                profile("1-1", "external", "a.visits", "visits", 0.5),
                profile("2-1", "external", "a.visits", "visits", -0.1, 200),
            ]
        ),
        pl.DataFrame(
            {
                "lane": ["external"],
                "scope": ["external"],
                "feature": ["a.visits"],
                "category_column": [None],
            },
            schema_overrides={"category_column": pl.String},
        ),
        models(internal=None),
        Settings({}),
    )
    segments = pl.DataFrame({"category": ["Snacks"] * 2, "segment_id": ["1-1", "2-1"]})
    assert segment_wording(segments, traits, models(internal=None)).rows() == [
        ("Snacks", "1-1", "Many visits", None, "There are more visits (0.5 against 0.4)."),
        (
            "Snacks",
            "2-1",
            "Average surroundings",
            None,
            "Their surroundings are close to the average.",
        ),
    ]


def test_without_segments_there_is_no_wording() -> None:
    segments = pl.DataFrame(schema={"category": pl.String, "segment_id": pl.String})
    traits = segment_traits(
        pl.DataFrame(schema=profiles_schema()),
        pl.DataFrame(
            schema={
                "lane": pl.String,
                "scope": pl.String,
                "feature": pl.String,
                "category_column": pl.String,
            }
        ),
        models(),
        Settings({}),
    )
    assert traits.is_empty()
    assert segment_wording(segments, traits, models()).is_empty()


def profiles_schema() -> dict[str, Any]:
    """Types of the columns of the profiles that are read."""
    return dict(pl.DataFrame([profile("1-1", "internal", "A", "A", 1.0)]).schema)
