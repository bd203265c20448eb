"""Pictures: the same bytes from the same rows, and a row for each that could not be drawn."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib import style as mpl_style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from segmentation.pictures.catalog import (
    PICTURES_SCHEMA,
    draw_all,
    pictures,
    scope_tables,
    slug,
)
from segmentation.pictures.drawings import KINDS, NUMBER_ROOM, frame, numbers_apart
from segmentation.pictures.rendering import Format, figure_of, placeholder
from segmentation.pictures.style import PALETTE, RC, is_light
from segmentation.pictures.tables import where_stores_moved

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]

CATEGORY = "Snacks $1 & <b>"
SEGMENTS = [f"{a}-{b}" for a in range(1, 4) for b in range(1, 4)]


def tables(stores: int = 60, seed: int = 3) -> dict[str, pl.DataFrame]:
    """Everything the drawings read, for one category and the external lane."""
    generator = np.random.default_rng(seed)
    scopes = pl.DataFrame({"lane": ["external", "internal"], "scope": ["external", CATEGORY]})
    ids = pl.DataFrame({"store_id": [f"S{number:03d}" for number in range(stores)]})
    scored = scopes.join(ids, how="cross")
    numbers = generator.normal(size=(scored.height, 3))
    cells = [(a, b) for a in (1, 2, None) for b in (1, 2, None)]
    features = pl.DataFrame(
        {
            "feature_lane": ["internal"] * 10 + ["external"] * 10,
            "feature": [f"feature_{number}" for number in range(20)],
            "label": [f"feature_{number}" for number in range(20)],
            "effect_size": np.linspace(0, 1, 20),
        }
    )
    segments = pl.DataFrame({"category": CATEGORY, "segment_id": SEGMENTS})
    profiles = segments.join(features, how="cross").with_columns(
        difference_in_sd=generator.normal(size=len(SEGMENTS) * 20), n_stores=pl.lit(10)
    )
    return {
        "scopes": scopes.with_columns(model_id=pl.lit("m")),
        "search": scopes.join(pl.DataFrame({"k": [2, 3, 4]}), how="cross").with_columns(
            silhouette=pl.lit(0.3),
            calinski_harabasz=pl.col("k") * 10.0,
            davies_bouldin=1.0 / pl.col("k"),
            passed=pl.col("k") < 4,
            is_chosen=pl.col("k") == 3,
        ),
        "silhouettes": scored.with_columns(
            label=pl.Series(generator.choice(["1", "2", "3"], scored.height)),
            silhouette=pl.Series(generator.uniform(-0.2, 0.6, scored.height)),
        ),
        "components": scored.with_columns(
            first=pl.Series(numbers[:, 0]),
            second=pl.Series(numbers[:, 1]),
            cluster=pl.Series(generator.integers(1, 4, scored.height)),
            is_outlier=pl.Series(numbers[:, 2] > 1.5),
            is_thin_history=pl.Series(numbers[:, 2] < -1.5),
        ),
        "centroids": scopes.join(pl.DataFrame({"cluster": [1, 2, 3]}), how="cross").with_columns(
            first=pl.col("cluster") - 2.0, second=2.0 - pl.col("cluster")
        ),
        "variance": scopes.join(
            pl.DataFrame({"component": [1, 2, 3], "share": [0.5, 0.2, 0.1]}), how="cross"
        ),
        "profiles": profiles,
        "mix": profiles.filter(feature_lane="internal").select(
            "category",
            "segment_id",
            "feature",
            mean_value=pl.lit(0.1),
            overall_mean=pl.lit(0.1),
        ),
        "segments": segments.with_columns(
            segment_name=pl.lit("Organic high · $ave low | area type: town ")
            + pl.col("segment_id"),
            n_stores=pl.lit(10),
            share_of_stores=pl.lit(1 / len(SEGMENTS)),
            share_of_sales=pl.lit(None, dtype=pl.Float64),
        ),
        "cells": pl.DataFrame(
            {
                "category": CATEGORY,
                "internal_cluster": [a for a, _ in cells],
                "external_cluster": [b for _, b in cells],
                "is_own": [a is not None and b is not None for a, b in cells],
                "segment_id": SEGMENTS,
                "n_stores": range(1, 10),
            }
        ),
        "movements": pl.DataFrame(
            {
                "category": CATEGORY,
                "from_segment_id": ["1-1", None, "1-1"],
                "to_segment_id": ["1-1", "1-2", None],
                "n_stores": [5, 2, 1],
            }
        ),
    }


def many_groups(n: int, n_categories: int) -> dict[str, pl.DataFrame]:
    """Tables of several categories with `n` segments of long names, and of `n` clusters.

    One cluster has most of the stores, so that the others are close together where stores are
    sorted, and all centroids are close together in the scatter.
    """
    frames = tables()
    names = [f"{CATEGORY} {number}" for number in range(n_categories)]
    categories = pl.DataFrame({"category": names})
    lanes = ["external", *["internal"] * n_categories]
    scopes = pl.DataFrame({"lane": lanes, "scope": ["external", *names]})
    clusters = [1] * 300 + [cluster for cluster in range(2, n + 1) for _ in range(5)]
    stores = pl.DataFrame({"cluster": clusters}).with_row_index("place")
    scored = scopes.join(stores, how="cross").with_columns(
        pl.format("S{}", "place").alias("store_id"),
        (pl.col("place") * 7 % 20 / 10 - 1).alias("first"),
        (pl.col("place") * 11 % 18 / 9 - 1).alias("second"),
    )
    segments = categories.join(
        pl.DataFrame(
            {"segment_id": [f"{number // 5 + 1}-{number % 5 + 1}" for number in range(n)]}
        ),
        how="cross",
    )
    numbers = pl.DataFrame({"number": range(n)})
    features = frames["profiles"].select("feature_lane", "feature", "label", "effect_size").unique()
    frames["scopes"] = scopes.with_columns(model_id=pl.lit("m"))
    frames["search"] = scopes.join(numbers, how="cross").select(
        "lane",
        "scope",
        k=pl.col("number") + 2,
        silhouette=0.3 - pl.col("number") / 100,
        calinski_harabasz=pl.col("number") * 10_000.0,
        davies_bouldin=1 / (pl.col("number") + 1),
        passed=True,
        is_chosen=pl.col("number") == n - 2,
    )
    frames["silhouettes"] = scored.with_columns(
        label=pl.col("cluster").cast(pl.String), silhouette=pl.col("first") / 2
    )
    frames["components"] = scored.with_columns(is_outlier=False, is_thin_history=False)
    frames["centroids"] = scopes.join(numbers, how="cross").select(
        "lane",
        "scope",
        cluster=pl.col("number") + 1,
        first=pl.col("number") / 50,
        second=pl.col("number") / 60,
    )
    frames["variance"] = scopes.join(
        pl.DataFrame({"component": range(1, n + 1), "share": [0.9 / n] * n}), how="cross"
    )
    frames["profiles"] = segments.join(features, how="cross").with_columns(
        difference_in_sd=pl.lit(-1.25), n_stores=pl.lit(10)
    )
    frames["mix"] = (
        frames["profiles"]
        .filter(feature_lane="internal")
        .with_columns(mean_value=pl.lit(0.1), overall_mean=pl.lit(0.1))
    )
    frames["segments"] = segments.with_columns(
        segment_name=pl.lit("Organic Food and Snacks, light on Drinks · many inhabitants nearby"),
        n_stores=pl.lit(10),
        share_of_stores=pl.lit(1 / n),
        share_of_sales=pl.lit(1 / n),
    )
    frames["cells"] = segments.with_columns(
        internal_cluster=pl.col("segment_id").str.head(1).cast(pl.Int64),
        external_cluster=pl.col("segment_id").str.tail(1).cast(pl.Int64),
        is_own=pl.lit(value=True),
        n_stores=pl.lit(1000),
    )
    frames["movements"] = segments.rename({"segment_id": "from_segment_id"}).join(
        segments.rename({"segment_id": "to_segment_id"}), on="category"
    )
    frames["movements"] = frames["movements"].with_columns(n_stores=pl.lit(1234))
    return frames


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Texts of a figure that stand on each other."""
    FigureCanvasAgg(figure).draw()
    unseen = {
        label
        for axes in figure.findobj(Axes)
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
        for tick in axis.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if not min(low, high) <= tick.get_loc() <= max(low, high)
    }
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in unseen
    ]
    return [
        (one, other)
        for (one, first), (other, second) in combinations(boxes, 2)
        if min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    ]


def only(frames: dict[str, pl.DataFrame], *names: str) -> dict[str, pl.DataFrame]:
    """The tables with rows in those of these names alone, for the pictures that they make."""
    kept = {"scopes", *names}
    return {name: frame if name in kept else frame.clear() for name, frame in frames.items()}


def test_no_label_of_thirteen_segments_or_clusters_stands_on_another() -> None:
    seen = set()
    for picture in pictures(many_groups(13, n_categories=2)):
        if (picture.kind.name, picture.scope == "all") in seen:
            continue
        seen.add((picture.kind.name, picture.scope == "all"))
        with mpl_style.context(["default", RC]):
            found = overlapping_texts(figure_of(picture))
        assert found == [], picture.name
    assert len(seen) == 2 * len(KINDS)


def test_clusters_stand_in_the_order_of_their_numbers() -> None:
    (picture,) = (
        picture
        for picture in pictures(many_groups(13, 1))
        if picture.name == f"silhouettes-{slug('external', 'external')}"
    )
    labels = [label.get_text() for label in figure_of(picture).axes[0].get_yticklabels()]
    assert [int(label.partition(":")[0]) for label in labels] == list(range(1, 14))


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    draw_all(tables(), folder, ["png"])
    return folder


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path) -> Path:
    """The same, for one test alone."""
    return shutil.copytree(drawn_once, tmp_path / "drawn")


def test_every_kind_has_an_overview_and_a_picture_per_scope(drawn: Path) -> None:
    found = draw_all(tables(), drawn, ["png"])
    assert found.schema == PICTURES_SCHEMA
    assert found.filter(pl.col("status") != "drawn")["reason"].to_list() == []
    for kind in KINDS:
        scopes = found.filter(kind=kind.name)["scope"].to_list()
        assert sorted(scopes) == sorted(
            ["all", CATEGORY] if kind.of_segments else ["all", "external", CATEGORY]
        )


def test_the_hash_is_that_of_the_file_and_the_file_is_a_picture_of_docs_width(
    drawn: Path,
) -> None:
    for row in draw_all(tables(), drawn, ["png"]).iter_rows(named=True):
        path = Path(row["path"])
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as image:
            assert 900 <= image.width <= 1200
            assert 200 <= image.height <= 3000


def test_the_same_rows_give_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    first = draw_all(tables(), drawn, ["png"])
    assert first.drop("path").equals(draw_all(tables(), tmp_path / "again", ["png"]).drop("path"))


def test_svg_comes_on_request_with_the_same_bytes_and_is_not_drawn_again(tmp_path: Path) -> None:
    some = only(tables(), "search", "segments", "mix", "profiles", "cells")
    first = draw_all(some, tmp_path / "a", ["svg"])
    assert set(first.filter(status="drawn")["format"]) == {"svg"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    assert first.equals(draw_all(some, tmp_path / "a", ["svg"]))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    assert first.drop("path").equals(draw_all(some, tmp_path / "b", ["svg"]).drop("path"))


def test_a_picture_of_the_same_rows_is_not_drawn_again(drawn: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in drawn.iterdir()}
    draw_all(tables(), drawn, ["png"])
    assert before == {path: path.stat().st_mtime_ns for path in drawn.iterdir()}


def test_other_rows_of_a_scope_draw_its_pictures_and_the_overviews_again(drawn: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in drawn.iterdir()}
    changed = tables()
    changed["variance"] = changed["variance"].with_columns(
        share=pl.when(pl.col("lane") == "external").then(0.3).otherwise("share")
    )
    draw_all(changed, drawn, ["png"])
    again = {name for name, time in before.items() if (drawn / name).stat().st_mtime_ns != time}
    external = slug("external", "external")
    assert again == {
        "variance.png",
        f"variance-{external}.png",
        # the axes say how much the components explain
        "components.png",
        f"components-{external}.png",
    }


def test_nothing_is_drawn_of_no_stores(tmp_path: Path) -> None:
    """Matplotlib draws one dot of none, in the corner."""
    some = only(tables(), "components", "centroids", "variance")
    some["components"] = some["components"].with_columns(is_outlier=False, is_thin_history=False)
    found = draw_all(some, tmp_path, ["png"]).filter(kind="components", scope=CATEGORY)
    with Image.open(found["path"][0]) as image:
        corner = np.asarray(image.convert("HSV"))[-40:, :20]
    assert corner[..., 1].max() < 20, "there is a colour that is no grey"


def test_a_damaged_file_is_drawn_again(drawn: Path) -> None:
    found = draw_all(tables(), drawn, ["png"]).row(0, named=True)
    Path(found["path"]).write_bytes(b"no picture")
    again = draw_all(tables(), drawn, ["png"]).row(0, named=True)
    assert again["sha256"] == found["sha256"]


@pytest.mark.parametrize("extension", ["png", "svg"])
def test_a_file_that_was_cut_off_is_drawn_again(tmp_path: Path, extension: Format) -> None:
    given = only(tables(), "search")
    found = draw_all(given, tmp_path, [extension]).filter(status="drawn").row(0, named=True)
    path = Path(found["path"])
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    again = draw_all(given, tmp_path, [extension]).filter(name=found["name"]).row(0, named=True)
    assert again["sha256"] == found["sha256"]


def test_a_library_that_changed_the_style_changes_no_picture(drawn: Path) -> None:
    found = draw_all(tables(), drawn, ["png"]).row(0, named=True)
    Path(found["path"]).unlink()
    with mpl.rc_context({"lines.linewidth": 5, "axes.facecolor": "red", "xtick.direction": "in"}):
        again = draw_all(tables(), drawn, ["png"]).row(0, named=True)
    assert again["sha256"] == found["sha256"]


def test_a_picture_that_cannot_be_drawn_is_a_row_and_the_others_are_drawn(drawn: Path) -> None:
    (drawn / "sizes.png").unlink()
    (drawn / "sizes.png").mkdir()
    broken = tables()
    broken["variance"] = broken["variance"].with_columns(share=pl.lit("no number"))
    found = draw_all(broken, drawn, ["png"])
    failed = found.filter(status="failed")
    assert set(failed["kind"]) == {"variance", "components", "sizes"}
    assert failed["reason"].str.len_chars().min() > 10  # type: ignore[operator]
    assert failed["sha256"].null_count() == failed.height
    assert set(found.filter(status="drawn")["kind"]) == {kind.name for kind in KINDS} - {
        *("variance", "components")
    }


def test_a_scope_without_rows_says_why_it_has_no_picture(drawn: Path) -> None:
    empty = tables()
    empty["movements"] = empty["movements"].clear()
    found = draw_all(empty, drawn, ["png"]).filter(kind="movements")
    (kind,) = (kind for kind in KINDS if kind.name == "movements")
    assert found.select("scope", "status", "reason", "path").rows() == [
        (CATEGORY, "nothing to draw", kind.if_empty, None)
    ]


def test_movements_are_shown_where_a_store_has_moved_come_or_gone() -> None:
    movements = pl.DataFrame(
        [
            ("Tea", "1-1", "1-1", 5),
            ("Snacks", "1-1", "2-1", 1),
            ("Snacks", "1-1", "1-1", 4),
            ("Milk", None, "1-1", 2),
            ("Bread", "1-1", None, 2),
        ],
        schema=["category", "from_segment_id", "to_segment_id", "n_stores"],
        orient="row",
    )
    shown = where_stores_moved(movements)
    assert shown["category"].to_list() == ["Bread", "Milk", "Snacks", "Snacks"]
    assert shown["n_stores"].to_list() == [2, 2, 4, 1]


def test_without_formats_nothing_is_written(tmp_path: Path) -> None:
    assert draw_all(tables(), tmp_path / "pictures", []).is_empty()
    assert not (tmp_path / "pictures").exists()


def test_an_overview_says_how_many_scopes_it_leaves_out(tmp_path: Path) -> None:
    many = tables()
    names = pl.DataFrame({"scope": [f"Category {number}" for number in range(8)]})
    many["scopes"] = names.with_columns(lane=pl.lit("internal"), model_id=pl.lit("m"))
    many["variance"] = (
        many["variance"].filter(lane="internal").drop("scope").join(names, how="cross")
    )
    titles = draw_all(many, tmp_path, ["svg"]).filter(name="variance")["title"]
    assert titles.to_list() == ["What the components explain: the first 6 of 8"]


def test_names_of_files_are_plain_and_different() -> None:
    names = ["../../etc/passwd", "Käse", "käse", "", "a" * 500, "日本", "con"]
    slugs = [slug("internal", name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{6,60}", found) for found in slugs)
    assert slug("internal", "external") != slug("external", "external")


def test_a_scope_sees_its_own_rows_only() -> None:
    here = scope_tables(tables(), ["variance", "cells"], "external", "external")
    assert here["variance"].columns == ["component", "share"]
    assert here["variance"].height == 3
    assert here["cells"].is_empty()


def test_the_colours_can_be_told_apart_by_lightness_or_marker_from_each_other() -> None:
    assert len(set(PALETTE)) == len(PALETTE)
    assert any(is_light(shade) for shade in PALETTE)
    assert any(not is_light(shade) for shade in PALETTE)


def test_the_house_style_is_not_left_behind(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    assert "drawn" in draw_all(only(tables(), "search"), tmp_path, ["png"])["status"].to_list()
    assert dict(mpl.rcParams) == before
    assert RC["text.parse_math"] is False


def test_numbers_of_clusters_stand_beside_each_other_and_stay_where_they_have_room() -> None:
    low, high = np.array([0.0, 0.0]), np.array([100.0, 10.0])
    centers = np.array([[50.0, 5.0], [50.0, 5.0], [52.0, 5.1], [90.0, 9.0]])
    places = numbers_apart(centers, low, high)
    np.testing.assert_array_equal(places[3], centers[3])
    room = NUMBER_ROOM * (high - low)
    for one, other in combinations(places / room, 2):
        assert np.hypot(*(one - other)) > 0.95


def test_numbers_of_clusters_have_a_place_where_all_stores_have_the_same_one() -> None:
    low, high = np.array([-2.0, 0.0]), np.array([2.0, 0.0])
    centers = np.array([[1.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(numbers_apart(centers, low, high), centers)


def test_the_frame_of_a_scatter_leaves_out_what_is_far_out_and_no_more() -> None:
    stores = pl.DataFrame({"first": [*np.linspace(-1, 1, 300), 1000.0], "second": 0.0})
    low, high = frame(stores)
    assert (low[0], high[0]) == pytest.approx((-1.3, 1.3), abs=0.02)
    assert (low[1], high[1]) == (-1.0, 1.0)


def test_what_stands_for_a_missing_overview_has_docs_width_and_the_same_bytes() -> None:
    content = placeholder(KINDS[0], "There is none yet.")
    assert content == placeholder(KINDS[0], "There is none yet.")
    assert content != placeholder(KINDS[0], "Another reason.")
    with Image.open(io.BytesIO(content)) as image:
        assert image.width == 1080


def test_the_documentation_shows_the_overview_of_every_kind() -> None:
    files = (REPOSITORY / "models").rglob("*.[my]*")
    pages = "".join(page.read_text(encoding="utf-8") for page in files)
    assert [kind.name for kind in KINDS if f"(assets/pictures/{kind.name}.png)" not in pages] == []


@pytest.mark.parametrize("extension", ["png", "svg"])
def test_a_picture_of_another_version_of_the_code_is_drawn_again(
    tmp_path: Path, extension: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = only(tables(), "search")
    before = draw_all(given, tmp_path, [extension]).filter(status="drawn")
    monkeypatch.setattr("segmentation.pictures.rendering._drawn_by", lambda: "another version")
    after = draw_all(given, tmp_path, [extension]).filter(status="drawn")
    assert before["path"].to_list() == after["path"].to_list()
    assert not set(before["sha256"]) & set(after["sha256"])


def test_pictures_drawn_in_processes_have_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = only(tables(), "search", "variance")
    alone = draw_all(given, tmp_path / "alone", ["png"])
    monkeypatch.setattr("segmentation.pictures.catalog.cpu_count", lambda: 2)
    monkeypatch.setattr("segmentation.pictures.catalog._PARTS_PER_PROCESS", 1)
    together = draw_all(given, tmp_path / "together", ["png"])
    assert together.drop("path").equals(alone.drop("path"))
