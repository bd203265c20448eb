"""Some of the random files that `make fuzz` makes for minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz_intake import case_of, judged


@pytest.mark.parametrize("seed", range(12))
def test_random_files_have_their_money_or_are_refused(seed: int, tmp_path: Path) -> None:
    judged(case_of(seed, tmp_path))
