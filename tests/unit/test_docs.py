"""The pages in `docs/` and at the top of the repository: links, decisions, recipes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
DECISIONS: Final = sorted((REPOSITORY / "docs" / "decisions").glob("[0-9]*.md"))
_LINK: Final = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
_RECIPE: Final = re.compile(r"^### \d+\. (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_files(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_status_date_and_sections(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {int(page.stem[:4])}\. ", text)
    assert re.search(r"^- Status: (Accepted|Superseded\b.*)$", text, re.MULTILINE)
    assert re.search(r"^- Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections[:3] == ["Context", "Decision", "Consequences"]


def test_every_decision_is_in_the_index_with_its_title_and_status() -> None:
    index = (REPOSITORY / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    listed = {
        name: (title, status)
        for title, name, status in re.findall(
            r"^\| \d{4} \| \[(.+)\]\((\d{4}-.+?\.md)\) \| (.+?) \|", index, re.MULTILINE
        )
    }
    written = {}
    for page in DECISIONS:
        text = page.read_text(encoding="utf-8")
        (title,) = re.findall(r"\A# \d+\. (.+)$", text, re.MULTILINE)
        (status,) = re.findall(r"^- Status: (.+)$", text, re.MULTILINE)
        written[page.name] = (title, status)
    assert listed == written


def test_a_recipe_names_at_most_four_files() -> None:
    guide = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, recipes = guide.split("\n## Recipes\n")
    titles = _RECIPE.findall(recipes)
    bodies = re.split(_RECIPE, recipes)[2::2]
    assert len(titles) == 10
    steps = {
        title: len(re.findall(r"^\d\. ", body, re.MULTILINE))
        for title, body in zip(titles, bodies, strict=True)
    }
    assert {title: n for title, n in steps.items() if not 1 <= n <= 4} == {}
