from __future__ import annotations

import contextlib
import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from segmentation.run.progress import report


def test_a_line_of_progress_starts_with_the_time_of_day(capfd: pytest.CaptureFixture[str]) -> None:
    report("fitting Snacks")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d  fitting Snacks\n", captured.err)


def test_progress_arrives_while_the_streams_are_replaced(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        report("still here")
    assert "still here" in capfd.readouterr().err


def test_lines_from_many_threads_stay_whole(capfd: pytest.CaptureFixture[str]) -> None:
    texts = [f"{number} " + "x" * 200 for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report, texts))
    lines = capfd.readouterr().err.splitlines()
    assert sorted(line[10:] for line in lines) == sorted(texts)


def test_a_process_without_standard_error_goes_on_in_silence(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stderr__", None)
    report("nobody listens")
    assert capfd.readouterr() == ("", "")
