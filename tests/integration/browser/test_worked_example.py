"""The pictures of `docs/worked-example.md` and of the README: today's report of the chain."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import BrowserContext, Page

from segmentation.report.contents import read_contents
from segmentation.report.page import report_html

from ..helpers import REPOSITORY, Project
from ..test_queries import OF_THESE_LIBRARIES
from .conftest import SCREENSHOTS, visit

#: In the metadata of a picture: the hash of what it shows. Letters differ from machine to machine.
SHOWN = "Shown"


@pytest.fixture
def page(window: BrowserContext, chain_build: tuple[Project, str], tmp_path: Path) -> Page:
    """The report of the chain, as wide as the pictures."""
    project, _ = chain_build
    path = tmp_path / "report.html"
    path.write_text(report_html(read_contents(project.database)), encoding="utf-8")
    page = visit(window, path.as_uri()).page
    page.set_viewport_size({"width": 1100, "height": 900})
    return page


def assert_is_today(name: str, screenshot: bytes, content: str) -> None:
    """Compare what a picture of the docs shows with the report, and keep a picture of today."""
    shown = hashlib.sha256(content.encode()).hexdigest()
    facts = PngInfo()
    facts.add_text(SHOWN, shown)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    with Image.open(io.BytesIO(screenshot)) as image:
        image.convert("RGB").quantize(256).save(path, optimize=True, pnginfo=facts)
    with Image.open(REPOSITORY / "docs" / "pictures" / path.name) as image:
        assert image.info.get(SHOWN) == shown, f"copy {path} to docs/pictures/{path.name}"


@OF_THESE_LIBRARIES
def test_the_readme_shows_the_first_page_of_todays_report(page: Page) -> None:
    overview = page.locator("section[aria-labelledby=overview]")
    assert_is_today("worked-example", page.screenshot(), overview.inner_text())


@OF_THESE_LIBRARIES
def test_the_worked_example_shows_todays_map(page: Page) -> None:
    places = page.locator("figure.of-map").first
    content = str(places.evaluate("(figure) => figure.outerHTML"))
    assert_is_today("worked-example-map", places.screenshot(), content)
