"""Programs and rights that some tests need from the machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def unavailable(message: str) -> NoReturn:
    """End a test whose machine lacks something: a failure in CI, a skip elsewhere.

    CI services set `CI` (`.ci/run` sets it too), so that nothing goes untested there unnoticed.
    """
    if os.environ.get("CI", "").lower() in {"", "0", "false"}:
        pytest.skip(message)
    pytest.fail(f"{message}; in CI (CI=true) every test has to run", pytrace=False)
