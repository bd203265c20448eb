"""A real headless Chromium, and the pages to look at with it."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from ..available import unavailable
from ..conftest import SeedsBuild
from ..helpers import REPOSITORY, Project

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
#: Where screenshots are kept after the tests; not in the repository.
SCREENSHOTS = REPOSITORY / "target" / "screenshots"

#: Milliseconds that a page may take; a machine that builds beside it is slow, and nothing waits
#: longer than it has to.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)


@dataclass
class Visit:
    """A page, with everything it complained of on the console and asked the network for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def screenshot(self, name: str) -> None:
        """Keep what is seen."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's or anyone's Chromium, driven by Playwright."""
    if CHROMIUM is None:
        unavailable(f"no browser: install one of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            timeout=PATIENCE,
        )
        yield chromium
        chromium.close()


@pytest.fixture
def offline(browser: Browser) -> Iterator[BrowserContext]:
    """A window without a network."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A window that may talk to this machine."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


def visit(context: BrowserContext, address: str) -> Visit:
    """Open a page and collect errors and warnings of its console and of its scripts.

    The docs site of dbt asks for placeholders of its own templates (`{{ getIcon(...) }}`) before
    they are filled; these three are known and not ours.
    """
    found = Visit(context.new_page())

    def listen(message: ConsoleMessage) -> None:
        is_placeholder = "%7B" in message.location.get("url", "")
        if message.type in {"error", "warning"} and not is_placeholder:
            found.complaints.append(message.text)

    found.page.on("console", listen)
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.goto(address)
    return found


@pytest.fixture(scope="session")
def built(seeds_build: SeedsBuild) -> Project:
    """The example seeds, built."""
    return seeds_build.project


def run_script(project: Project, name: str, *arguments: str) -> str:
    """Call a script of the repository on the project's database."""
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / name, *arguments],
        env={**os.environ, **project.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def report(built: Project) -> Path:
    """The report as a file."""
    path = built.folder / "report.html"
    run_script(built, "report.py", "--output", str(path))
    return path


@pytest.fixture(scope="session")
def docs_site(built: Project) -> Iterator[str]:
    """Address of the docs site, served from a free port."""
    folder = built.folder / "docs"
    run_script(built, "docs.py", "--target-path", str(folder))
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""
