"""What all unit tests share: reproducible examples, one thread, no files left behind."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from threadpoolctl import threadpool_limits

hypothesis.settings.register_profile(
    "unit", deadline=None, derandomize=True, database=None, max_examples=50
)
hypothesis.settings.load_profile("unit")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Fit small K-means models in one thread; starting more takes longer than the work."""
    with threadpool_limits(limits=1):
        yield
