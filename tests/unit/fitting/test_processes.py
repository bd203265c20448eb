"""Work in worker processes: the same results in the same order, whatever happens to a worker."""

from __future__ import annotations

import os
import signal

import pytest

from segmentation.fitting.processes import each_in_processes


def who(number: int, parent: int, is_killed: bool = False) -> tuple[int, bool]:
    """The number, and whether this is the parent process; a worker can be asked to be killed."""
    if is_killed and os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid() == parent


def test_with_one_process_the_work_is_done_here() -> None:
    given = [(number, os.getpid()) for number in range(3)]
    assert [*each_in_processes(who, given, 1)] == [(0, True), (1, True), (2, True)]


def test_results_of_processes_keep_their_order() -> None:
    given = [(number, os.getpid()) for number in range(20)]
    assert [*each_in_processes(who, given, 2)] == [(number, False) for number in range(20)]


def test_work_of_a_killed_process_is_done_here() -> None:
    given = [(0, os.getpid()), (1, os.getpid(), True), (2, os.getpid())]
    found = [*each_in_processes(who, given, 2)]
    assert [number for number, _ in found] == [0, 1, 2]
    assert found[1] == (1, True)


def test_an_error_of_the_work_is_raised_here() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(each_in_processes(int, [("one",), ("2",)], 2))
