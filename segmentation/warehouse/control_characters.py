"""Control characters of names and values made visible, so that none steers a terminal."""

from __future__ import annotations

import re
from typing import Final

#: All but tabs and line breaks; ids and values of the inputs may have them.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PICTURES: Final = 0x2400
_DELETE: Final = "\x7f"


def visible(text: str) -> str:
    r"""Text with a symbol in place of each control character, but for tabs and line breaks.

    Unicode has symbols for those of ASCII; others become the replacement character.

    Examples
    --------
    >>> visible("a\x1b[2J b")
    'a␛[2J b'
    """
    return _CONTROL.sub(_symbol, text)


def _symbol(found: re.Match[str]) -> str:
    character = found.group()
    if character == _DELETE:
        return "\N{SYMBOL FOR DELETE}"
    return chr(_PICTURES + ord(character)) if character < " " else "\N{REPLACEMENT CHARACTER}"
