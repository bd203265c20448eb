"""Names that were read in another encoding than they were written in.

Nearly every byte has a meaning in Windows-1252, so files in the encodings of DOS and old Macs seem
readable: the last letter of `Café` becomes a low quote. Words reveal it, since no language has a
low quote inside a word. Text that was encoded as UTF-8 twice reveals itself: written as bytes, its
characters are valid UTF-8 again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Encodings of other systems that are tried for an example, with what they are known for.
OTHER_ENCODINGS: Final = {"cp850": "DOS", "mac_roman": "old Macs"}
_LOST: Final = "\ufffd"
_LETTER: Final = r"[^\W\d_]"
#: What no word has: low quotes and signs after a letter, other signs between letters, and a capital
#: with an accent after a small letter.
_IMPLAUSIBLE: Final = re.compile(
    f"{_LETTER}[\u201a\u201e\u02c6\u2039¤¡¿¬¦]"
    f"|{_LETTER}[\u201c\u201d†‡‰•\u203a¢£¥§±¶¼½¾«»]{_LETTER}"
    "|[a-zß-ÿ][À-ÖØ-ÞŠŒŽŸ]"
)


@dataclass(frozen=True)
class Garbled:
    """Names that look garbled.

    Attributes
    ----------
    n_names
        Different names that look garbled.
    share
        Their share of the different names that are not plain ASCII.
    example, meant
        One of them, and what it may have been; empty if unknown.
    encoding
        The encoding in which `example` is `meant`; empty if UTF-8 was encoded twice.
    """

    n_names: int
    share: float
    example: str
    meant: str = ""
    encoding: str = ""


def garbled_names(names: Sequence[str], *, is_windows_1252: bool) -> Garbled | None:
    """Find names that look garbled; None if there is none.

    Parameters
    ----------
    names
        Different names, of which those in plain ASCII do not count.
    is_windows_1252
        Whether the file was taken for Windows-1252 because it is not UTF-8.
    """
    with_accents = [name for name in names if not name.isascii()]
    found = [
        name
        for name in with_accents
        if _LOST in name
        or _encoded_once(name) != name
        or (is_windows_1252 and _IMPLAUSIBLE.search(name))
    ]
    if not found:
        return None
    example, meant, encoding = found[0], _encoded_once(found[0]), ""
    if meant == example:
        encoding, meant = next(
            (
                (codec, text)
                for codec in OTHER_ENCODINGS
                for text in [_as_if_in(codec, example)]
                if text and not _IMPLAUSIBLE.search(text)
            ),
            ("", ""),
        )
    return Garbled(len(found), len(found) / len(with_accents), example, meant, encoding)


def _encoded_once(name: str) -> str:
    """A name in which words that were encoded as UTF-8 twice are corrected."""
    for word in name.split(" "):
        for codec in ("cp1252", "latin-1"):
            try:
                name = name.replace(word, word.encode(codec).decode("utf-8"))
                break
            except UnicodeError:
                continue
    return name


def _as_if_in(codec: str, name: str) -> str:
    """A name as its bytes read in another encoding, empty if they have no meaning there."""
    try:
        text = name.encode("cp1252").decode(codec)
    except UnicodeError:
        return ""
    return text if all(c.isascii() or c.isalpha() for c in text) else ""
