"""The report, as a planner meets it: a file, opened without a network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import duckdb
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
    assert chart.locator(".trace").first.locator(".point").count() > 20
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
    opened.page.get_by_label("Store id").fill("t0042")
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


def test_it_prints_on_pages(opened: Visit, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    opened.page.pdf(path=path, format="A4", margin={"top": "1.5cm", "bottom": "1.5cm"})
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") > 8 or content.count(b"/Type/Page") > 8


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
        opened.page.get_by_role("link", name=name, exact=True).click()
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
