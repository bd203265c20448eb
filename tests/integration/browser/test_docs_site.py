"""The docs site: its tour, its pictures and its lineage."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page

from .conftest import visit

PICTURES = "document.querySelectorAll(\"img[src*='assets/pictures']\")"

#: The graph of the lineage, as Cytoscape keeps it beside its canvas.
GRAPH = "() => [...document.querySelectorAll('*')].find((element) => element._cyreg)?._cyreg.cy"


def widths(page: Page) -> list[int]:
    """Widths of the pictures of a page, once they have come."""
    page.wait_for_function(
        f"{PICTURES}.length > 0 && [...{PICTURES}].every((image) => image.complete)"
    )
    return list(page.evaluate(f"[...{PICTURES}].map((image) => image.naturalWidth)"))


def test_the_overview_shows_its_pictures(window: BrowserContext, docs_site: str) -> None:
    opened = visit(window, docs_site)
    opened.page.get_by_role("heading", name="Store segments").wait_for()
    found = widths(opened.page)
    opened.screenshot("docs-overview")
    assert len(found) == 3
    assert min(found) > 800
    assert opened.complaints == []


@pytest.mark.parametrize(
    "model", ["segment_profiles", "cluster_search", "feat_internal", "segment_changes"]
)
def test_a_model_is_described_with_its_picture(
    window: BrowserContext, docs_site: str, model: str
) -> None:
    opened = visit(window, f"{docs_site}/#!/model/model.store_segments.{model}")
    opened.page.locator("h1", has_text=model).wait_for()
    assert min(widths(opened.page)) > 800
    opened.screenshot(f"docs-{model}")
    assert opened.complaints == []


@pytest.mark.parametrize(
    ("link", "ends"),
    [
        ("from sales and store data to features", {"feat_internal", "feat_external"}),
        ("from features to segments", {"store_segments"}),
    ],
)
def test_the_tour_opens_a_lineage_that_can_be_read(
    window: BrowserContext, docs_site: str, link: str, ends: set[str]
) -> None:
    """The site reads a selection as it loads: the link has a query, so that it loads again."""
    opened = visit(window, docs_site)
    opened.page.get_by_role("link", name=link).click()
    opened.page.wait_for_url(re.compile(r"[?]lineage="))
    opened.page.wait_for_function(
        f"() => {{ const n = ({GRAPH})()?.nodes(':visible').length; return n > 2 && n < 15; }}"
    )
    nodes, edges, pixels = opened.page.evaluate(
        f"""() => {{
            const graph = ({GRAPH})();
            const nodes = graph.nodes(':visible');
            return [
                nodes.map((node) => node.id().split('.').pop()),
                graph.edges(':visible').map((edge) => [edge.source(), edge.target()].map(
                    (node) => node.id().split('.').pop())),
                parseFloat(nodes[0].renderedStyle('font-size')),
            ];
        }}"""
    )
    opened.screenshot(f"docs-tour-{link.replace(' ', '-')}")
    assert pixels > 12
    assert set(nodes) - {source for source, _ in edges} == ends, "all leads to the end"
    assert opened.complaints == []


def test_the_lineage_of_the_segments_opens(window: BrowserContext, docs_site: str) -> None:
    opened = visit(window, f"{docs_site}/#!/model/model.store_segments.store_segments")
    opened.page.locator("h1", has_text="store_segments").wait_for()
    opened.page.get_by_title("View Lineage Graph").click()
    opened.page.wait_for_function(
        "[...document.querySelectorAll('canvas')].some((canvas) => canvas.width > 300 && canvas"
        ".getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean))"
    )
    opened.screenshot("docs-lineage")
    assert opened.complaints == []
