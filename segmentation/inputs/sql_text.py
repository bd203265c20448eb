"""SQL expressions for texts: what is trimmed, and which texts are no value."""

from __future__ import annotations

import unicodedata
from typing import Final

from segmentation.warehouse.database import sql_literal

#: Evidence of a column whose format is set.
SET_BY_FORMATS: Final = "set by formats"
#: Characters that look like nothing: Unicode's blanks, and what controls and formats texts.
BLANKS: Final = "".join(
    character
    for character in map(chr, (*range(0x20000), *range(0xE0000, 0xE1000)))
    if unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc", "Cf")
)
#: DuckDB knows no literal with it.
NUL: Final = "\0"
#: Some programs write it for a minus.
SOFT_HYPHEN: Final = "\u00ad"
#: Begins numbers of cells in a column of a workbook that can have texts too; blanks to `tidy`.
OF_A_CELL: Final = "\u2060\u2060"
#: ASCII from one visible character to another, but for `=` as the first one.
_PLAIN: Final = "[!-<>-~]([ -~]*[!-~])?"
#: A text that Excel is to leave as it is: `="00123"`.
_PROTECTED: Final = '^="([^"]*)"$'
#: What a spreadsheet writes where a formula has no value.
_ERRORS: Final = ("#n/a", "#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!")
#: Texts that stand for a missing value where a number or a date is expected.
NOTHING: Final = (
    "nan",
    "null",
    "none",
    "n/a",
    "na",
    *"-\u2010\u2011\u2013\u2014\u2212",
    "--",
    *("0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "00/00/0000"),
    *_ERRORS,
)
#: The same for an id. `none`, `no` and `0` are values of a category, and not listed there.
NO_ID: Final = ("nan", "null", "none", "n/a", "na", "unknown", *_ERRORS)
NO_CATEGORY: Final = ("nan", "null", "n/a", "na", *_ERRORS)


def tidy(column: str, *, keep: str = "") -> str:
    """SQL: a value as text without blanks around it, in one Unicode form; `="1"` is `1`.

    Most values are plain ASCII and need neither; the search for every blank of Unicode is slow.

    Parameters
    ----------
    column
        SQL of the value.
    keep
        A character that is no blank here.
    """
    text = f"{column}::varchar"
    blanks = f"{sql_literal(BLANKS.replace(keep, '').replace(NUL, ''))} || chr(0)"
    # DuckDB's normalization ends at a NUL, so that 12<NUL>34 € would be 12: it gets the parts
    parts = f"list_transform(string_split({text}, chr(0)), lambda part: nfc_normalize(part))"
    whole = f"array_to_string({parts}, chr(0))"
    content = f"regexp_replace(trim({whole}, {blanks}), '{_PROTECTED}', '\\1')"
    return (
        f"(case when regexp_full_match({text}, '{_PLAIN}') then {text} "
        f"else trim({content}, {blanks}) end)"
    )


def or_null(text: str, nothing: tuple[str, ...]) -> str:
    """SQL: a tidy text, null where it is empty or stands for nothing."""
    listed = ", ".join(map(sql_literal, ("", *nothing)))
    return f"case when lower({text}) not in ({listed}) then {text} end"


def tidy_id(column: str, *, ignore: tuple[str, ...] = ()) -> str:
    """SQL: an id as text; `12.0` is `12`, and a text that says nothing is null.

    Parameters
    ----------
    column
        SQL of the value.
    ignore
        `leading_zeros`, `case`: differences between ids that do not count.
    """
    text = f"regexp_replace({tidy(column)}, '^([+-]?\\d+)\\.0+$', '\\1')"
    if "case" in ignore:
        text = f"lower({text})"
    if "leading_zeros" in ignore:
        text = f"regexp_replace({text}, '^0+(.)', '\\1')"
    return or_null(text, NO_ID)
