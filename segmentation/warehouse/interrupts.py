"""Ctrl-C in a command: the process ends at once and says so in one line.

A KeyboardInterrupt rises through libraries that show it as a traceback, make another error of it
(DuckDB), or lose it, so that the command goes on. Everything that a command writes appears as a
whole or not at all, so its process may just end.
"""

from __future__ import annotations

import os
import signal
from types import FrameType


def end_on_interrupt(message: str = "interrupted") -> None:
    """Let Ctrl-C end this process from now on.

    It dies of the signal, so that shells and make know about it.

    Parameters
    ----------
    message
        Line to write to standard error.
    """

    def end(number: int, _: FrameType | None) -> None:
        os.write(2, f"\n{message}\n".encode())
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    signal.signal(signal.SIGINT, end)
