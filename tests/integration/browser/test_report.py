"""The report, as a planner meets it: a file, opened without a network."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, expect

from segmentation.report.charts import library
from segmentation.report.contents import read_contents
from segmentation.report.page import report_html

from ..helpers import Project, copy_of
from .conftest import Visit, run_script, visit

#: Pixels between the margins of a page of paper.
A4_WIDTH = 703


@pytest.fixture
def opened(offline: BrowserContext, report: Path) -> Visit:
    """The report in a browser."""
    return visit(offline, report.as_uri())


def column(opened: Visit, number: int) -> list[str]:
    """Texts of a column of the table of all segments."""
    cells = opened.page.locator(f"#all-segments tbody td:nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_the_report_is_one_file_below_ten_megabytes_without_a_way_out(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert len(text.encode()) < 10e6
    text = text.replace(library(), "")
    for outward in ('src="http', 'href="http', "url(http", "@import", "fetch("):
        assert outward not in text


def test_it_opens_without_network_and_without_a_complaint(opened: Visit) -> None:
    assert opened.page.title() == "Store segments"
    opened.screenshot("report")
    assert opened.complaints == []


def test_it_asks_for_nothing_but_itself(opened: Visit, report: Path) -> None:
    charts = opened.page.locator("figure:has(.chart)")
    for number in range(charts.count()):
        charts.nth(number).scroll_into_view_if_needed()
    expect(opened.page.locator(".charted .main-svg").first).to_be_visible()
    assert {url for url in opened.requests if not url.startswith("data:")} == {report.as_uri()}


def test_a_dot_says_which_store_it_is(opened: Visit, built: Project) -> None:
    chart = opened.page.locator("figure:has(.chart)").filter(has_text="Point at a dot").nth(3)
    chart.scroll_into_view_if_needed()
    expect(chart.locator(".point").first).to_be_visible()
    expect(chart.locator("img")).to_be_hidden()
    assert chart.locator(".point").count() > 200
    chart.locator(".point").nth(7).hover(force=True)
    said = chart.locator(".hovertext").first
    expect(said).to_be_visible()
    lines = [line.strip() for line in said.locator("tspan.line").all_text_contents()]
    (segment,) = built.query(
        "select segment_id || '  ' || segment_name from segments.store_segments"
        " where store_id = ? and category = 'Snacks'",
        [lines[0]],
    ).to_series()
    assert lines[1].split() == segment.split()
    opened.screenshot("report-chart")
    assert opened.complaints == []


def test_paper_has_the_picture_instead_of_the_chart(opened: Visit) -> None:
    chart = opened.page.locator("figure:has(.chart)").first
    chart.scroll_into_view_if_needed()
    expect(chart.locator(".main-svg").first).to_be_visible()
    opened.page.emulate_media(media="print")
    expect(chart.locator(".chart")).to_be_hidden()
    expect(chart.locator("img")).to_be_visible()


def test_a_report_too_large_for_charts_has_their_pictures(
    offline: BrowserContext, built: Project, tmp_path: Path
) -> None:
    contents = read_contents(built.database)
    padded = replace(contents, lookup=contents.lookup + " " * 5_000_000)
    path = tmp_path / "report.html"
    path.write_text(report_html(padded), encoding="utf-8")
    assert path.stat().st_size < 10e6
    opened = visit(offline, path.as_uri())
    assert opened.page.locator(".chart").count() == 0
    assert (
        opened.page.locator("img[alt^='Stores on the first two components: Snacks']").count() == 1
    )
    assert opened.complaints == []


def test_every_picture_is_shown(opened: Visit) -> None:
    widths = opened.page.evaluate(
        "async () => { const images = [...document.images];"
        " images.forEach((image) => { image.loading = 'eager'; });"
        " await Promise.all(images.map((image) => image.decode()));"
        " return images.map((image) => image.naturalWidth); }"
    )
    assert len(widths) > 35
    assert min(widths) > 800


def test_every_category_has_a_page_and_every_segment_a_card(opened: Visit, built: Project) -> None:
    segments = built.query("select category, segment_name from segments.segment_summary")
    heads = opened.page.locator("h2").all_inner_texts()
    assert set(segments["category"]) <= set(heads)
    cards = opened.page.locator(".card h3").all_inner_texts()
    assert len(cards) == segments.height
    assert all(any(name in card for card in cards) for name in segments["segment_name"])


def test_a_click_on_a_head_sorts_and_a_second_one_turns_it_round(opened: Visit) -> None:
    head = opened.page.locator("#all-segments th", has_text="Sales per store")
    head.get_by_role("button").click()
    values = [float(text.replace(",", "")) for text in column(opened, 8)]
    assert values == sorted(values)
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert [float(text.replace(",", "")) for text in column(opened, 8)] == values[::-1]
    assert opened.complaints == []


def test_text_is_sorted_as_people_read_it(opened: Visit) -> None:
    head = opened.page.locator("#all-segments th", has_text="Segment")
    head.get_by_role("button").click()
    names = column(opened, 3)
    leading = [re.split(r" [·|] ", name)[0].casefold() for name in names]
    assert leading == sorted(leading)


def test_the_look_up_finds_a_store_with_its_segments(opened: Visit, built: Project) -> None:
    rows = built.query(
        "select category, segment_name from segments.store_segments where store_id = 'T0042'"
    )
    for typed in ("42", "0042", "T0042", "t0042"):
        opened.page.get_by_label("Store id").fill(typed)
        assert (
            f"Store T0042: {rows.height} categories"
            in opened.page.locator("#found-status").inner_text()
        )
    found = opened.page.locator("#found").inner_text()
    for category, segment in rows.iter_rows():
        assert category in found
        assert segment in found
    opened.page.locator("#find").evaluate("(head) => head.scrollIntoView()")
    opened.screenshot("report-look-up")
    assert opened.complaints == []


def test_the_look_up_tells_ids_apart_by_case_and_shows_moved_stores_first(
    offline: BrowserContext, built: Project, tmp_path: Path
) -> None:
    contents = read_contents(built.database)
    given = json.loads(contents.lookup)
    rows = [dict(zip(given["columns"], row, strict=True)) for row in given["stores"][:3]]
    rows[0] |= {"store_id": "a1", "flags": ""}
    rows[1] |= {"store_id": "a1", "flags": "moved", "reason": "Moved here for a reason."}
    rows[2] |= {"store_id": "A1"}
    lookup = {"columns": given["columns"], "stores": [list(row.values()) for row in rows]}
    path = tmp_path / "report.html"
    path.write_text(report_html(replace(contents, lookup=json.dumps(lookup))), encoding="utf-8")
    page = visit(offline, path.as_uri()).page
    status = page.locator("#found-status")
    page.get_by_label("Store id").fill("a1")
    assert "Store a1: 2 categories" in status.inner_text()
    assert "Moved here for a reason." in page.locator("#found tbody tr").first.inner_text()
    page.get_by_label("Store id").fill("A1")
    assert "Store A1: 1 category" in status.inner_text()
    page.get_by_label("Store id").fill("1")
    assert "2 stores" in status.inner_text()


def test_every_segment_is_in_the_bars_in_the_color_of_its_card(
    opened: Visit, built: Project
) -> None:
    shade = "(one) => getComputedStyle(one).getPropertyValue('--segment')"
    bars = opened.page.locator(".bar a")
    assert bars.count() == built.query("from segments.segment_summary").height
    for number in range(bars.count()):
        bar = bars.nth(number)
        card = opened.page.locator(f".card:has({bar.get_attribute('href')})")
        assert card.evaluate(shade) == bar.evaluate(shade)


def test_two_segments_stand_side_by_side(opened: Visit, built: Project) -> None:
    opened.page.get_by_label("Category").select_option("Snacks")
    first, second = (opened.page.locator(f"#compare-{place}") for place in ("first", "second"))
    ids = [first.input_value(), second.input_value()]
    assert ids[0] != ids[1]
    text = opened.page.locator("#compared").inner_text()
    names = built.query(
        "select segment_name, n_stores from segments.segment_summary"
        " where category = 'Snacks' and segment_id in (?, ?)",
        ids,
    )
    for name, n_stores in names.iter_rows():
        assert name in text
        assert str(n_stores) in text
    near = built.query(
        "select store_id from segments.store_segments where category = 'Snacks'"
        " and segment_id = ? and second_segment_id = ?",
        ids,
    )
    row = opened.page.locator("#compared tr", has_text="next closest").inner_text()
    assert f"{near.height}:" in row or near.is_empty()
    assert opened.complaints == []


def test_the_stores_of_a_segment_are_a_file(opened: Visit, built: Project, tmp_path: Path) -> None:
    button = opened.page.get_by_role("button", name="Stores as CSV", exact=True).first
    category, segment = (button.get_attribute(f"data-{name}") for name in ("category", "segment"))
    with opened.page.expect_download() as download:
        button.click()
    download.value.save_as(tmp_path / "stores.csv")
    found = pl.read_csv(tmp_path / "stores.csv", infer_schema=False)
    wanted = built.query(
        "select store_id from segments.store_segments where category = ? and segment_id = ?"
        " order by store_id",
        [category, segment],
    )
    assert found["store_id"].to_list() == wanted["store_id"].to_list()
    assert found["segment_id"].unique().to_list() == [segment]


def test_all_stores_are_a_file_with_their_names_and_flags(
    opened: Visit, built: Project, tmp_path: Path
) -> None:
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="All stores as CSV").click()
    assert download.value.suggested_filename == "store segments.csv"
    download.value.save_as(tmp_path / "stores.csv")
    found = pl.read_csv(tmp_path / "stores.csv", infer_schema=False)
    wanted = built.query(
        "select store_id, category, segment_id, segment_name from segments.store_segments"
        " order by store_id, category"
    )
    assert found.select(wanted.columns).equals(wanted)
    n_thin = built.value("select count(*) from segments.store_segments where is_thin_history")
    assert found["flags"].str.contains("few sales").sum() == n_thin


def test_a_report_without_room_for_the_stores_offers_no_empty_file(
    offline: BrowserContext, built: Project, tmp_path: Path
) -> None:
    contents = replace(read_contents(built.database), lookup='{"columns":[],"stores":[]}')
    path = tmp_path / "report.html"
    path.write_text(report_html(contents), encoding="utf-8")
    page = visit(offline, path.as_uri()).page
    assert page.locator("button.download").count() > 1
    assert not any(button.is_visible() for button in page.locator("button.download").all())


def test_the_overview_says_how_good_the_groups_of_each_category_are(opened: Visit) -> None:
    said = opened.page.locator(".mix p").all_inner_texts()
    assert len(said) == 4
    for text in said:
        assert re.search(
            r"; groups by sales mix: \w+, very stable, they predict later sales$", text
        )


def test_a_link_leads_to_a_heading_below_the_navigation(opened: Visit) -> None:
    link = opened.page.get_by_role("link", name="room for another mix").first
    link.click()
    head = opened.page.locator((link.get_attribute("href") or "").replace("#", "h3#"))
    expect(head).to_be_in_viewport(ratio=1)
    below = opened.page.locator("nav").evaluate("(nav) => nav.getBoundingClientRect().bottom")
    assert head.evaluate("(head) => head.getBoundingClientRect().top") >= below


def test_every_link_of_the_page_has_a_place_to_lead_to(report: Path) -> None:
    text = report.read_text(encoding="utf-8").replace(library(), "")
    wanted = set(re.findall(r'href="#([^"]+)"', text))
    assert len(wanted) > 40
    assert wanted <= set(re.findall(r'\bid="([^"]+)"', text))


def test_a_file_of_stores_carries_no_formula(
    offline: BrowserContext, built: Project, tmp_path: Path
) -> None:
    contents = read_contents(built.database)
    given = json.loads(contents.lookup)
    given["stores"][0][0] = "=HYPERLINK(1)"
    path = tmp_path / "report.html"
    path.write_text(report_html(replace(contents, lookup=json.dumps(given))), encoding="utf-8")
    page = visit(offline, path.as_uri()).page
    row = dict(zip(given["columns"], given["stores"][0], strict=True))
    with page.expect_download() as download:
        page.locator(
            f"button[data-category='{row['category']}'][data-segment='{row['segment_id']}']"
        ).click()
    download.value.save_as(tmp_path / "stores.csv")
    assert "\n'=HYPERLINK(1)," in (tmp_path / "stores.csv").read_text(encoding="utf-8-sig")


def test_a_phone_scrolls_down_only(opened: Visit) -> None:
    opened.page.set_viewport_size({"width": 390, "height": 844})
    opened.page.locator("figure:has(.chart)").first.scroll_into_view_if_needed()
    opened.screenshot("report-phone")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("typed", "answer"), [("T00", "99 stores: T0001"), ("nobody", "No store with this id")]
)
def test_the_look_up_says_what_it_has_where_no_single_store_is_meant(
    opened: Visit, typed: str, answer: str
) -> None:
    opened.page.get_by_label("Store id").fill(typed)
    assert answer in opened.page.locator("#found-status").inner_text()


def test_the_report_passes_an_accessibility_check(opened: Visit) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    found = Axe().run(opened.page)
    assert [violation["id"] for violation in found.response["violations"]] == []


def test_all_but_the_appendix_prints_on_a_dozen_pages(opened: Visit, tmp_path: Path) -> None:
    def n_pages() -> int:
        content = opened.page.pdf(
            path=tmp_path / "report.pdf",
            format="A4",
            margin={"top": "1.5cm", "bottom": "1.5cm"},
        )
        return content.count(b"/Type /Page\n")

    everything = n_pages()
    opened.page.evaluate(
        "(() => { const all = [...document.querySelectorAll('section')];"
        " const first = all.findIndex((one) => one.querySelector('h2#data'));"
        " all.slice(first).forEach((one) => one.remove()); })()"
    )
    assert 8 < n_pages() <= 12 < everything


def test_nothing_is_cut_off_on_paper(opened: Visit) -> None:
    opened.page.set_viewport_size({"width": A4_WIDTH, "height": 1000})
    opened.page.emulate_media(media="print")
    opened.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    widest = opened.page.evaluate(
        "Math.max(...[...document.querySelectorAll('table, figure, pre, .card, .figures')]"
        ".map((element) => element.getBoundingClientRect().right))"
    )
    assert widest <= A4_WIDTH


def test_paper_begins_with_the_overview_and_has_no_search(opened: Visit) -> None:
    opened.page.emulate_media(media="print")
    expect(opened.page.get_by_role("heading", name="Find a store")).to_be_hidden()
    expect(opened.page.locator("#overview")).to_have_css("break-before", "auto")
    expect(opened.page.locator("#methods")).to_have_css("break-before", "page")


def test_the_contents_stay_in_sight(opened: Visit) -> None:
    for name in ("Data quality", "Overview", "Snacks"):
        opened.page.locator("nav").get_by_role("link", name=name, exact=True).click()
        heading = opened.page.get_by_role("heading", name=name, exact=True)
        expect(heading).to_be_in_viewport()
        # charts and pictures that come into being above must not push it away
        opened.page.wait_for_timeout(500)
        expect(heading).to_be_in_viewport()
    expect(opened.page.get_by_role("link", name="Find a store")).to_be_in_viewport()


def test_heads_of_numbers_stand_above_them(opened: Visit) -> None:
    wrong = opened.page.evaluate(
        "[...document.querySelectorAll('table.sortable')].flatMap((table) => {"
        " const cells = [...(table.tBodies[0].rows[0]?.cells ?? [])];"
        " return [...table.tHead.rows[0].cells].filter((head, place) => cells[place]"
        "   && getComputedStyle(head).textAlign !== getComputedStyle(cells[place]).textAlign)"
        "   .map((head) => head.textContent); })"
    )
    assert wrong == []


def test_names_of_the_data_stay_text(
    offline: BrowserContext, built: Project, tmp_path: Path
) -> None:
    hostile = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>"
    project = copy_of(built, tmp_path / "hostile")
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("update segments.store_segments set segment_name = ?", [hostile])
        connection.execute("update segments.segment_summary set segment_name = ?", [hostile])
    path = tmp_path / "report.html"
    run_script(project, "report.py", "--output", str(path))
    opened = visit(offline, path.as_uri())
    assert opened.page.title() == "Store segments"
    opened.page.get_by_label("Store id").fill("T0042")
    assert hostile in opened.page.locator("#found").inner_text()
    assert opened.page.title() == "Store segments"
    assert opened.complaints == []
