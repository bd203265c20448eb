from __future__ import annotations

import pytest

from tests.integration.available import unavailable


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_what_is_missing_fails_a_test_in_ci(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.fail.Exception, match=r"no browser; in CI \(CI=true\)"):
        unavailable("no browser")


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_what_is_missing_skips_a_test_elsewhere(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.skip.Exception, match=r"^no browser$"):
        unavailable("no browser")
