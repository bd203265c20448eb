"""Messages about builds, received by a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import duckdb
import pytest

from segmentation.run.hooks import end_run, start_run
from segmentation.run.invocation import NodeResult
from segmentation.run.log import note_inputs, open_run
from segmentation.run.publication import Publication
from segmentation.run.webhook import ADDRESS, WebhookError, send, success_message

from .helpers import invocation
from .test_summary import BUILT, TABLES

_NOTHING = Publication([], [], [])


class Receiver(BaseHTTPRequestHandler):
    """One request to the chat."""

    server: Chat

    def do_POST(self) -> None:
        """Keep the body and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Show nothing on the terminal."""


class Chat(HTTPServer):
    """A chat: it keeps what it receives and answers with a given status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.received: list[tuple[str | None, bytes]] = []
        super().__init__(("127.0.0.1", 0), Receiver)

    @property
    def address(self) -> str:
        """URL of the webhook, with a token that nobody else may see."""
        return f"http://127.0.0.1:{self.server_port}/hook/secret-token"

    @property
    def texts(self) -> list[str]:
        """What people read."""
        return [json.loads(body)["text"] for _, body in self.received]


@pytest.fixture
def chat(request: pytest.FixtureRequest) -> Iterator[Chat]:
    """A chat that answers with 200, or with the status that the test gives."""
    server = Chat(getattr(request, "param", 200))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def built() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that has just been built."""
    with duckdb.connect() as connection:
        open_run(connection, invocation())
        connection.execute(TABLES)
        yield connection


def test_a_build_is_reported_in_three_lines(
    chat: Chat, built: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, chat.address)
    note_inputs(built, invocation(), {"demographics": "forbidden"}, {}, {})
    outcome = end_run(built, invocation(), BUILT, _NOTHING)
    assert outcome.problem is None
    assert not any("WARN" in line for line in outcome.lines)
    assert chat.received[0][0] == "application/json"
    assert chat.texts == [
        "Store segments built, not published. Data: sales 99.4 % used (90.0 % of the sales),"
        " demographics not read, the rest used completely.\n"
        "2 of 8 stores moved; segments new: 1, gone: 0. Drift: Bread: Fresh.\n"
        "Failed scopes: external."
    ]


def test_a_first_build_without_losses_says_so(built: duckdb.DuckDBPyConnection) -> None:
    built.execute("delete from governance.data_reconciliation where input = 'sales'")
    built.execute("delete from governance.model_registry where status = 'failed'")
    built.execute("update governance.drift set has_drifted = false")
    lines = success_message(built, invocation(run_id="first"), is_published=True).splitlines()
    assert lines == [
        "Store segments built and published. Data: all rows used.",
        "First build: no store has moved. Drift: none.",
        "Failed scopes: none.",
    ]


def test_a_build_that_cannot_start_is_reported_with_its_cause(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, chat.address)
    variables = {"inputs": {}, "external_sources": [], "segmentation": {"seed": -1}}
    with duckdb.connect() as connection:
        outcome = start_run(connection, invocation(variables=variables))
    assert outcome.problem is not None
    first, second, third = chat.texts[0].splitlines()
    assert first.startswith(
        "Store segments: the build failed: the build cannot start: segmentation"
    )
    assert second == "Readers still see the last good build."
    assert third.startswith("Run run-1: ")


def test_a_test_that_fails_is_reported(
    chat: Chat, built: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, chat.address)
    failed = NodeResult("test.t", "t", "test", "fail", 0.1, "Got 1 result")
    end_run(built, invocation(), [*BUILT, failed], _NOTHING)
    assert chat.texts[0].startswith("Store segments: the build failed: Got 1 result\n")


def test_without_an_address_and_for_other_commands_nothing_is_sent(
    chat: Chat, built: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_run(built, invocation(), BUILT, _NOTHING)
    monkeypatch.setenv(ADDRESS, chat.address)
    end_run(built, invocation(command="test"), BUILT, _NOTHING)
    assert chat.received == []


@pytest.mark.parametrize("chat", [404, 500], indirect=True)
def test_a_message_that_is_not_accepted_is_a_warning_without_the_address(
    chat: Chat, built: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, chat.address)
    outcome = end_run(built, invocation(), BUILT, _NOTHING)
    assert outcome.problem is None
    (warning,) = [line for line in outcome.lines if "WARN" in line]
    assert warning.startswith(f"  WARN the message to {ADDRESS} was not delivered: HTTP Error ")
    assert "secret-token" not in warning


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://127.0.0.1:1/x", "was not delivered"),
        ("file:///etc/passwd", "is not an http or https address"),
        ("hook", "is not an http or https address"),
        ("http://[hunTer2/x", "is not an http or https address"),
        ("http://127.0.0.1:hunTer2/x", "is not an http or https address"),
        ("http://127.0.0.1:1/a hunTer2", "is not an http or https address"),
        ("http://127.0.0.1:1/a\nhunTer2", "is not an http or https address"),
        ("http:///hunTer2", "is not an http or https address"),
    ],
)
def test_an_address_that_cannot_be_reached_or_used_says_so(address: str, expected: str) -> None:
    with pytest.raises(WebhookError, match=expected) as raised:
        send(address, "text")
    assert "hunTer2" not in str(raised.value)
