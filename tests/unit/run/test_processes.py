from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from segmentation.run.processes import Processes


def nothing() -> None:
    """Nothing to get ready."""


def who(number: int, ends: bool = False) -> tuple[int, int]:
    """The number, and the process that says it; the one that is told to ends without a word."""
    if ends and os.getpid() != PARENT:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


PARENT = int(os.environ.setdefault("STORE_SEGMENTS_TEST_PARENT", str(os.getpid())))


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes(nothing)
    yield made
    made.stop()


def test_without_processes_work_is_done_here(processes: Processes) -> None:
    assert list(processes.each(who, [(1,), (2,)])) == [(1, os.getpid()), (2, os.getpid())]
    assert processes.n_processes == 0


def test_results_come_in_the_order_of_what_was_given(processes: Processes) -> None:
    processes.start(2)
    numbers, pids = zip(*processes.each(who, [(n,) for n in range(20)]), strict=True)
    assert numbers == tuple(range(20))
    assert os.getpid() not in pids


def test_a_process_that_is_there_is_used_again_and_more_take_its_place(
    processes: Processes,
) -> None:
    def pids(n_processes: int) -> set[int]:
        processes.start(n_processes)
        return {pid for _, pid in processes.each(who, [(n,) for n in range(40)])}

    first = pids(1)
    assert len(first) == 1
    assert pids(1) == first
    assert not pids(2) & first


def test_work_of_a_process_that_was_killed_is_done_here(processes: Processes) -> None:
    processes.start(1)
    found = list(processes.each(who, [(1,), (2, True), (3,)]))
    assert [number for number, _ in found] == [1, 2, 3]
    assert found[1][1] == os.getpid()


def test_a_process_that_was_killed_while_it_waited_is_not_missed(processes: Processes) -> None:
    processes.start(1)
    ((_, pid),) = processes.each(who, [(1,)])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while processes.n_processes and time.monotonic() < deadline:
        assert [number for number, _ in processes.each(who, [(1,), (2,)])] == [1, 2]
    assert processes.n_processes == 0
    processes.start(1)
    ((_, again),) = processes.each(who, [(1,)])
    assert again not in {pid, os.getpid()}


def test_work_is_done_here_where_no_process_can_start(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr("joblib.externals.loky.ProcessPoolExecutor.submit", refused)
    processes.start(1)
    assert list(processes.each(who, [(1,)])) == [(1, os.getpid())]


def test_whoever_asks_no_further_ends_the_processes(processes: Processes) -> None:
    processes.start(1)
    results = processes.each(time.sleep, [(0,), (600,), (600,)])
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert processes.n_processes == 0


def test_the_last_result_need_not_be_followed_by_another_question(processes: Processes) -> None:
    processes.start(1)
    results = processes.each(who, [(1,), (2,)])
    assert [next(results)[0], next(results)[0]] == [1, 2]
    results.close()  # type: ignore[attr-defined]
    assert processes.n_processes == 1


def test_an_error_of_the_work_is_an_error_here(processes: Processes) -> None:
    processes.start(1)
    with pytest.raises(ValueError, match="invalid literal"):
        list(processes.each(int, [("one",)]))


def test_processes_end_with_the_one_that_started_them() -> None:
    """Also where that one is killed."""
    program = """
import os, time
from segmentation.run.processes import FITS
FITS.start(1)
print(next(FITS.each(os.getpid, [()])), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} is still there")
