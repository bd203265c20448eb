"""Passwords, tokens and signatures masked in text that is shown or stored.

Three rules, applied in this order:

1. User information, query and fragment of a URL (`scheme://...`) are masked.
2. The value of a key that names a secret is masked: in connection strings of libpq
   (https://www.postgresql.org/docs/current/libpq-connect.html) and ODBC, in JSON, YAML and SQL.
3. `user:password@host` without a scheme loses the part before the `@`.

Doubtful text is masked. An `@` in the path of a URL hides everything before it, since it may end a
password that contains a slash; a URL that `urllib.parse` refuses is masked up to the end of its
line; a quoted value that does not end is masked up to the end of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

#: Shown in place of a secret.
MASK: Final = "***"
#: Names that end like this have secret values, in any letter case.
_NAME: Final = r"""(?:
    password | passwd | passphrase | pwd | secret | token | signature | credentials?
    | (?<![a-z])(?:sig|sas)
    | (?:api|access|account|private|shared|client|server|secret|encryption)[_-]?key | key[_-]?id
)"""
_SECRET_KEY: Final = re.compile(rf".*{_NAME}", re.IGNORECASE | re.VERBOSE | re.DOTALL)
#: A key and what separates it from its value. The bare word `token` needs more than a colon or a
#: blank after it, since messages of parsers read "unexpected token: x" and "expected token 'end'".
_KEY: Final = re.compile(
    rf"""
    {_NAME} (?: (?:\\*["'`])? \s* (?: :?=[=>]? | %3D ) \s* | \\*["'`] \s* : \s* )
    | (?!(?<![\w.-])token) {_NAME} (?: \s*:[^\S\n]+ | [^\S\n]+ (?=["']) )
    | \b bearer [^\S\n]+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S*")
_USER: Final = re.compile(r"(?<![\w.:/@*%+-])[\w.%+-]{1,200}:(?!//)[^\s@]+@")
_OPENING: Final = re.compile(r"""\\*["'`]|\{""")
#: A quote that may begin a text with a value in it, such as a location in a message.
_BEFORE_TEXT: Final = re.compile(r"""(?:^|(?<=[\s(\[{,:=]))\\*["'`]""")
#: An unquoted value ends with white space; with a semicolon where one follows, as in ODBC.
_BARE_VALUE: Final = re.compile(r"(?:\\[^\n]|\S)+(?:[^\S\n][^=;\n]*;)?")
#: What may follow the quote that ends a text before the next blank.
_PUNCTUATION: Final = r"""[\\"'`,;.:)\]}&>]*"""
#: What may follow the quote that ends a value; after anything else it is part of the value.
_AFTER_QUOTE: Final = re.compile(r"""\s|\\*["'`]|[,;.:)\]}&]|\Z""")


def without_secrets(value: Any) -> Any:
    """Copy of a JSON value or text with every secret in it replaced by `***`.

    Parameters
    ----------
    value
        Text is searched for URLs, connection strings and assignments. In a mapping, the value of a
        key that names a secret is masked whatever it is.

    Examples
    --------
    >>> without_secrets({"sales": "https://me:p/w@host/a.parquet?sig=1&v=2"})
    {'sales': 'https://***@host/a.parquet?***'}
    >>> without_secrets("postgres:dbname=lake PASSWORD='p w' user=me")
    'postgres:dbname=lake PASSWORD=*** user=me'
    """
    if isinstance(value, dict):
        return {
            without_secrets(key): MASK
            if item and isinstance(key, str) and _SECRET_KEY.fullmatch(key)
            else without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [without_secrets(item) for item in value]
    if isinstance(value, str):
        without_urls = "".join(_without_urls(value))
        return _USER.sub(f"{MASK}@", "".join(_without_values(without_urls)))
    return value


def _without_urls(text: str) -> Iterator[str]:
    """Parts of a text, each URL masked."""
    position = 0
    while found := _URL.search(text, position):
        yield text[position : found.start()]
        url = found.group()
        quote = re.search(r"""["'`<>]""", url)
        if quote and "@" not in url[quote.start() :]:  # it ends the URL, not a password
            url = url[: quote.start()]
        position = found.start() + len(url)
        scheme, _, rest = url.partition("://")
        hidden, at, visible = rest.rpartition("@")
        path, *query = re.split(r"[?#]", visible, maxsplit=1)
        suffix = f"{visible[len(path)]}{MASK}" if query else ""
        if at and not re.search(r"[?#]", hidden):
            yield f"{scheme}://{MASK}@{path}{suffix}"
        elif at:
            yield f"{scheme}://{MASK}"  # the query or the password has an @
        elif _has_host(url.rstrip(".,;:")):  # as a sentence goes on
            yield f"{scheme}://{path}{suffix}"
        else:
            yield f"{scheme}://{MASK}"
            position = len(text) - len(text[position:].partition("\n")[2])
            if text[position - 1 : position] == "\n":
                position -= 1
    yield text[position:]


def _has_host(url: str) -> bool:
    """Whether a URL has a host and a port where they belong, rather than a user and a password."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True


def _without_values(text: str) -> Iterator[str]:
    """Parts of a text, each value of a secret key masked."""
    position, quote = 0, ""
    while found := _KEY.search(text, position):
        before = text[position : found.end()]
        yield before
        quote = _open_quote(before, quote)
        position = _end_of_value(text, found.end(), quote)
        if position > found.end():
            yield MASK
    yield text[position:]


def _open_quote(text: str, quote: str) -> str:
    """The quote that is open at the end of a text; `quote` is open at its start."""
    position = 0
    while True:
        if not quote:
            opening = _BEFORE_TEXT.search(text, position)
            if opening is None:
                return ""
            quote, position = opening.group(), opening.end()
        closing = _closing(quote).search(text, position)
        if closing is None:
            return quote
        quote, position = "", closing.end()


def _closing(quote: str) -> re.Pattern[str]:
    """Pattern of the quote that ends a text."""
    return re.compile(rf"(?<!\\){re.escape(quote)}(?={_AFTER_QUOTE.pattern})")


def _end_of_value(text: str, start: int, quote: str) -> int:
    """Position after the value that starts at a position, in a text within quotes or without."""
    opening = _OPENING.match(text, start)
    if opening is None:
        return _end_of_bare_value(text, start, quote)
    quote = opening.group()
    if quote == "'" and text.startswith("''", start):
        if _AFTER_QUOTE.match(text, start + 2) and text[start + 2 : start + 3] != "'":
            return start + 2  # an empty value
        quote = "''"  # a quoted value in a literal of SQL
    closing = "}" if quote == "{" else quote
    position = start + len(quote)
    while (position := text.find(closing, position)) >= 0:
        is_escaped = text[position - 1] == "\\"
        position += len(closing)
        is_doubled = text.startswith(closing, position)
        if _AFTER_QUOTE.match(text, position) and not (is_escaped or is_doubled):
            return position
        position += is_doubled
    return len(text)


def _end_of_bare_value(text: str, start: int, quote: str) -> int:
    """Position after a value without quotes; `quote` ends the text that it is in."""
    bare = _BARE_VALUE.match(text, start)
    if bare is None:
        return start
    if not quote:
        return bare.end()
    word, phrase = (_end_of(pattern, text, start) for pattern in (r"\S*", r"[^=;\n]*"))
    closing = re.compile(rf"{_closing(quote).pattern}{_PUNCTUATION}\Z").search(text, start, word)
    closing = closing or _closing(quote).search(text, word, phrase)
    return closing.start() if closing else bare.end()


def _end_of(pattern: str, text: str, start: int) -> int:
    """Position after a pattern, which may be empty."""
    found = re.compile(pattern).match(text, start)
    return found.end() if found else start
