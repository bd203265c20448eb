"""Progress of long steps, on the terminal and nowhere else."""

from __future__ import annotations

import sys
import threading
import time
from typing import Final

from segmentation.warehouse.control_characters import visible

_LOCK: Final = threading.Lock()


def report(text: str) -> None:
    """Write one line with the time of day, as dbt does.

    It goes to the process's own standard error: dbt and PyCaret replace `sys.stdout` while
    models run in threads, and lines written there can get lost.
    """
    stream = sys.__stderr__
    if stream is None:
        return
    with _LOCK:
        stream.write(f"{time.strftime('%H:%M:%S')}  {visible(text)}\n")
        stream.flush()
