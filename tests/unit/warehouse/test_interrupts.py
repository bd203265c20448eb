from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_LONG = "duckdb.sql('select sum(a) from range(1000000000) as _(a), range(1000)').fetchall()"


@pytest.mark.parametrize("work", ["time.sleep(60)", _LONG, "input()"])
def test_ctrl_c_ends_a_process_at_once_and_in_one_line(work: str) -> None:
    code = (
        "import duckdb, time\n"
        "from segmentation.warehouse.interrupts import end_on_interrupt\n"
        "end_on_interrupt('report: interrupted')\n"
        f"print('ready', flush=True)\n{work}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=30)
    assert shown == "\nreport: interrupted\n"
    assert process.returncode == -signal.SIGINT
