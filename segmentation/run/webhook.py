"""A message about a build to a chat, through an incoming webhook.

The body is `{"text": ...}`, which incoming webhooks of Slack
(https://api.slack.com/messaging/webhooks) and Microsoft Teams accept.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit

import duckdb

from segmentation.inputs.losses import listed
from segmentation.report.verdicts import inputs_in_short
from segmentation.run.invocation import Invocation
from segmentation.run.summary import failed_scopes, movements_in_short
from segmentation.warehouse.database import execute
from segmentation.warehouse.secrets import without_secrets

#: Environment variable with the address; it is a secret, so it is no var of dbt.
ADDRESS: Final = "STORE_SEGMENTS_WEBHOOK"
#: A chat that does not answer must not hold up a schedule.
_SECONDS: Final = 10
_LONGEST_CAUSE: Final = 300


class WebhookError(RuntimeError):
    """The message could not be sent; the text says why, without the address."""


def success_message(
    cursor: duckdb.DuckDBPyConnection, invocation: Invocation, *, is_published: bool
) -> str:
    """Three lines on a build: verdict on the data, what changed, what failed.

    Parameters
    ----------
    cursor
        Cursor on the database that was built.
    invocation
        The run.
    is_published
        Whether readers see the build.
    """
    state = "built and published" if is_published else "built, not published"
    drifted = [
        str(what)
        for (what,) in execute(
            cursor,
            "select concat_ws(': ', scope, coalesce(feature, subject)) from governance.drift"
            " where has_drifted order by stability_index / threshold desc, lane, scope, feature",
        ).fetchall()
    ]
    moves = movements_in_short(cursor, invocation) or "First build: no store has moved"
    failed = failed_scopes(cursor)
    return "\n".join(
        [
            f"Store segments {state}. Data: {inputs_in_short(cursor)}.",
            f"{moves}. Drift: {listed(drifted) or 'none'}.",
            f"Failed scopes: {listed(failed) or 'none'}.",
        ]
    )


def failure_message(invocation: Invocation, cause: str) -> str:
    """Three lines on a build that failed: why, what readers see, where to look.

    Parameters
    ----------
    invocation
        The run.
    cause
        First message of the run.
    """
    said = " ".join(without_secrets(cause).split())
    short = said if len(said) <= _LONGEST_CAUSE else f"{said[: _LONGEST_CAUSE - 1]}…"
    return "\n".join(
        [
            f"Store segments: the build failed: {short}",
            "Readers still see the last good build.",
            f"Run {invocation.run_id}: details in logs/dbt.log and governance.runs.",
        ]
    )


def _is_http(address: str) -> bool:
    """Whether an address can be called; the errors of the standard library show parts of it."""
    try:
        parts = urlsplit(address)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = address.isascii() and address.isprintable() and " " not in address
    return parts.scheme in {"http", "https"} and is_complete and is_plain


def send(address: str, message: str) -> None:
    """Post a message.

    Parameters
    ----------
    address
        URL of the webhook.
    message
        The text.

    Raises
    ------
    WebhookError
        If the address is not an HTTP one, or the message was not accepted within ten seconds.
    """
    if not _is_http(address):
        raise WebhookError(f"{ADDRESS} is not an http or https address")
    request = urllib.request.Request(  # noqa: S310 (the scheme is checked)
        address,
        data=json.dumps({"text": message}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
            pass
    except (OSError, ValueError, HTTPException) as error:
        # (an HTTP error is an OSError; its text has no address)
        raise WebhookError(f"the message to {ADDRESS} was not delivered: {error}") from error


def delivery(address: str, message: str) -> Iterator[str]:
    """Send a message; yields a warning for the terminal if it could not be delivered."""
    try:
        send(address, message)
    except WebhookError as error:
        yield f"  WARN {error}"
