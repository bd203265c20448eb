"""Loops that numba compiles once per machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function on its first call, and cache the result on disk if possible.

    The function runs without the global interpreter lock, so threads can call it in parallel.
    """
    try:
        return cast("_Function", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache folder is writable
        return cast("_Function", njit(nogil=True)(function))
