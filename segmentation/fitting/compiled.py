"""Loops that numba compiles once per machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function when it is first called, and keep that where files can be kept.

    It works without Python's lock, so that threads may call it at once.
    """
    try:
        return cast("_Function", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return cast("_Function", njit(nogil=True)(function))
