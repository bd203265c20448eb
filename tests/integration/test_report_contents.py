"""What the report says, read from the built example without a browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from segmentation.report import contents as report_contents
from segmentation.report.contents import Contents, read_contents
from segmentation.report.page import report_html

from .conftest import SeedsBuild
from .helpers import Project, copy_of


def text_of(contents: Contents) -> str:
    """The words of the report, without tags and data."""
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", report_html(contents), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.fixture
def copied(seeds_build: SeedsBuild, tmp_path: Path) -> Project:
    """A copy of the built example, to be changed."""
    return copy_of(seeds_build.project, tmp_path / "copy")


def test_a_later_run_that_built_nothing_is_not_the_one_that_the_report_dates(
    seeds_build: SeedsBuild, copied: Project
) -> None:
    built = read_contents(seeds_build.project.database)
    run = copied.dbt("build", variables={"segmentation": {"max_clusterz": 3}})
    assert not run.success
    found = read_contents(copied.database)
    assert found.facts["run_id"] == built.facts["run_id"]
    assert found.facts["started_at"] == built.facts["started_at"]
    assert found.versions == built.versions
    assert "did not succeed" not in text_of(found)


def test_control_characters_of_names_are_shown_as_symbols(copied: Project) -> None:
    copied.execute(
        "update segments.segment_summary set segment_name = 'x' || chr(27) || '[2J' || chr(155);"
        " update segments.store_segments set store_id = store_id || chr(27) || '[2J' || chr(127)"
    )
    html = report_html(replace(read_contents(copied.database), has_pictures=False))
    assert "x␛[2J\ufffd" in html
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)


def test_a_build_that_failed_half_way_is_said_to_have_failed(copied: Project) -> None:
    copied.execute("update governance.runs set status = 'failed'")
    assert "This build did not succeed" in text_of(read_contents(copied.database))


def test_a_picture_that_is_gone_is_not_said_to_be_left_out_for_its_size(
    seeds_build: SeedsBuild, copied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = copied.folder / "nowhere"
    copied.execute(
        f"update lanes.drawn_pictures set path = '{gone}/' || name;"
        f" update segments.segment_plots set path = '{gone}/' || name || '.png'"
    )
    said = text_of(read_contents(copied.database))
    assert "left out to keep this file small" not in said
    assert f"the file is missing ( {gone}/profiles-" in said
    monkeypatch.setattr(report_contents, "MAX_PICTURE_BYTES", 200_000)
    said = text_of(read_contents(seeds_build.project.database))
    assert "left out to keep this file small" in said


def test_a_picture_that_another_build_has_replaced_is_not_shown(
    copied: Project, tmp_path: Path
) -> None:
    (path,) = copied.query("select path from segments.segment_plots where name = 'components'")[
        "path"
    ]
    foreign = tmp_path / "components.png"
    foreign.write_bytes(Path(path).read_bytes() + b" ")
    copied.execute(f"update segments.segment_plots set path = '{foreign}' where path = '{path}'")
    contents = read_contents(copied.database)
    (picture,) = [picture for picture in contents.overview if picture.name == "components"]
    assert not picture.data
    assert picture.problem == "the file has changed since the build wrote it"


def test_a_build_without_pictures_has_a_small_report_that_says_so(copied: Project) -> None:
    copied.execute("delete from segments.segment_plots")
    contents = read_contents(copied.database)
    assert len(report_html(contents)) < 1_500_000
    assert "This report has no pictures: the setting picture_formats" in text_of(contents)


def test_the_methods_name_settings_and_no_values_that_may_be_others(
    seeds_build: SeedsBuild,
) -> None:
    contents = read_contents(seeds_build.project.database)
    said = text_of(contents).split("Methods")[-1].split("Models in force")[0]
    named = set(re.findall(r"\b[a-z]+_[a-z_]+\b", said)) - {"governance"}
    assert {"outlier_fraction", "selection", "pca_variance"} <= named | {"selection"}
    assert named <= {row["name"] for row in contents.settings}
    assert not re.search(r"\d", said)


def test_stores_that_moved_since_the_run_before_are_listed(copied: Project) -> None:
    assert read_contents(copied.database).moved == []
    copied.execute(
        """
        insert into segments.store_segments_history by name
        select * replace (
            '9-9' as segment_id,
            dbt_valid_from - interval 1 day as dbt_valid_from,
            dbt_valid_from as dbt_valid_to
        )
        from segments.store_segments_history
        where store_id = 'T0042' and category = 'Snacks'
        """
    )
    contents = read_contents(copied.database)
    (moved,) = contents.moved
    assert [moved["store_id"], moved["category"], moved["from_segment_id"]] == [
        "T0042",
        "Snacks",
        "9-9",
    ]
    assert "T0042 Snacks 9-9 " in text_of(contents)


def test_categories_without_groups_are_not_said_to_follow_surroundings_without_groups(
    copied: Project,
) -> None:
    copied.execute(
        "update governance.model_registry set k = 1, status = 'no_structure'"
        " where scope in ('Snacks', 'external')"
    )
    said = text_of(read_contents(copied.database))
    assert "In 1 of 4 categories the stores do not fall into groups by what they sell" in said
    assert "The surroundings have no groups either" in said
    assert "follow the surroundings of the stores" not in said


def test_a_card_says_each_trait_once(seeds_build: SeedsBuild) -> None:
    contents = read_contents(seeds_build.project.database)
    for segment in contents.segments:
        for lane in ("internal", "external"):
            for trait in segment[f"{lane}_traits"]:
                assert trait["sentence"] not in segment["description"]


def test_the_exposure_names_every_table_that_the_report_reads(seeds_build: SeedsBuild) -> None:
    manifest = json.loads((seeds_build.project.folder / "target" / "manifest.json").read_text())
    declared = {
        unique_id.split(".")[-1]
        for unique_id in manifest["exposures"]["exposure.store_segments.segment_report"][
            "depends_on"
        ]["nodes"]
    }
    assert declared == tables_read(report_contents)


def tables_read(module: ModuleType) -> set[str]:
    """Names of the marts in the queries of a module."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    return {
        name
        for _, name in re.findall(
            r"\b(?:from|join|table\(\")\s*\(?(segments|governance)\.(\w+)", source
        )
    }
