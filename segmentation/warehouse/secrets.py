r"""Passwords, tokens and signatures masked in text that is shown or stored.

Four rules. After the first one, each looks at the whole text, and whatever one finds is masked:

1. Blocks of PEM, such as private keys.
2. User information, query, fragment and parameters (after `;`) of a URL (`scheme://...`), and the
   path of a webhook.
3. The value of a key that names a secret: in connection strings of libpq
   (https://www.postgresql.org/docs/current/libpq-connect.html) and ODBC, in JSON, YAML, SQL and
   headers of HTTP.
4. `user:password@host` without a scheme, up to the `@`.

The rules read letters, digits and separators that are percent-encoded (`%3D`), also repeatedly, or
escaped as in JSON (`\u003d`).

Doubtful text is masked. An `@` in the path of a URL hides everything before it, since it may end a
password that contains a slash; a URL that `urllib.parse` refuses is masked up to the end of its
line; a quoted value that does not end is masked up to the end of the text.

Texts have megabytes, and anyone may have written them, so every rule takes time proportional to the
length of the text: no search begins again in what another one has passed, or it has a limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

#: Start and end of a secret in a text.
_Span: TypeAlias = tuple[int, int]

#: Shown in place of a secret.
MASK: Final = "***"
#: Two suffice for all but nonsense.
_MOST_PASSES: Final = 6
#: Furthest distance at which a quote is looked for that ends a text with blanks.
_FAR: Final = 1000

#: Names that end like this have secret values, in any letter case.
_NAME: Final = r"""(?:
    password | passwd | passphrase | pwd | secret | token | signature | credential
    | (?<![a-z])(?:sig|sas)
    | (?:api|access|account|private|shared|client|server|secret|encryption)[_-]?key | key[_-]?id
)"""
#: Names that are common words too, so that their values follow an equals sign or a quoted name.
_COMMON_NAME: Final = r"(?: (?<![a-z])(?:o?auth|jwt|pass|session) | sess(?:ion)?[_-]?id )"
#: Headers of HTTP, whose values have blanks in them.
_HEADER: Final = r"(?:authorization|cookie)"
_SECRET_KEY: Final = re.compile(
    rf".*(?:{_NAME}|{_COMMON_NAME}|{_HEADER})s?", re.IGNORECASE | re.VERBOSE | re.DOTALL
)
_QUOTE: Final = r"""(?: \\*["'`] | (?:%(?:25)*|\\+u00)2[27] )"""
#: What separates an unquoted name of YAML from its value, which may be on the next line; another
#: name of a secret there has the value.
_COLON: Final = rf"""(?:
    \s* :(?![:=]) [^\S\n]* (?: [|>][+-]?\d?[^\S\n]* )? \n\s* (?:-\s+)?
    (?! ["']? [\w.-]*{_NAME}s? ["']? \s* :\s )
    | \s* :(?![:=]) (?:[^\S\n]|\\+[nrt])*
)"""
#: A key and what separates it from its value. The bare word `token` needs more than a colon or a
#: blank after it, since messages of parsers read "unexpected token: x" and "expected token 'end'".
_KEY: Final = re.compile(
    rf"""
    (?P<header> {_HEADER} s? {_QUOTE}? \s* [:=] \s* (?:(?:basic|bearer|digest|token)[^\S\n]+)? )
    | (?:{_NAME}|{_COMMON_NAME}) s? (?: {_QUOTE}? \s* :?=[=>]? \s* | {_QUOTE} \s* : \s* )
    | (?!(?<![\w.-])token) {_NAME} s? (?: {_COLON} | [^\S\n]+ (?=["']) | (?:\t|\\+t)+ )
    | \b bearer [^\S\n]+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OPENING: Final = re.compile(r"""\\*["'`]|[{\[]""")
#: A quote that may begin a text with a value in it, such as a location in a message.
_BEFORE_TEXT: Final = re.compile(r"""(?:^|(?<=[\s(\[{,:=]))\\*["'`]""")
#: An unquoted value ends with white space; where it has blanks as in ODBC, after the next key.
_BARE_VALUE: Final = re.compile(
    rf"(?:\\[^\n]|\S)+(?:[^\S\n][^=;\n]{{0,{_FAR}}};(?=[^\S\n]*\w[\w ]{{0,50}}=)\S*)*"
)
#: What may follow the quote that ends a text before the next blank.
_PUNCTUATION: Final = "\\\"'`,;.:)]}&>"
#: What may follow the quote that ends a value; after anything else it is part of the value.
_AFTER_QUOTE: Final = re.compile(r"""\s|\\*["'`]|[,;.:)\]}&]|\Z""")

_PEM: Final = re.compile(r"-{4,5} ?BEGIN.*?(?:-{4,5} ?END[^\n-]{0,80}-{4,5}|\Z)", re.DOTALL)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://")
#: Hosts, or folders of a path, of webhooks: who knows the rest may write to the chat.
_WEBHOOK: Final = re.compile(
    r"""
    (?=[^/]*/) (?:[^/]*\.)? (?:web)?hooks?\. [^/]*/
    | [^/]+/ (?:.*?/)? (?:web)?hooks?/
    | api\.telegram\.org/bot
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: Words after a query that are rather part of it than of a sentence.
_REST_OF_QUERY: Final = re.compile(
    r"(?:(?<![:;,])\s+(?![a-z]+://)(?=\S*[\d=&%]|\S*[a-z][A-Z])\S+)*"
)
_USER: Final = re.compile(r"(?:(?<![\w.:/@*%+-])|(?<=//))[\w.%+-]+:(?!//)")
#: Encoded characters that never are quotes, brackets or blanks, as those would end a value.
_ENCODED: Final = re.compile(
    r"(?:%(?:25)*|(?<!\\)\\+u00)(2[13-6A-F]|3[0-9ABDF]|4[0-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])",
    re.IGNORECASE,
)


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
    "postgres:dbname=lake PASSWORD='***' user=me"
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
        return _masked_for_good(value)
    return value


def _masked_for_good(text: str) -> str:
    """A text in which the rules find nothing more, as a mask may join what a blank had split."""
    for _ in range(_MOST_PASSES):
        masked = _masked(text)
        if masked == text:
            break
        text = masked
    return text


def _masked(text: str) -> str:
    """A text without blocks of PEM, and without what any other rule finds."""
    text = _PEM.sub(MASK, text)
    plain, places = _decoded(text)
    parts: list[str] = []
    position = 0
    for start, end in _merged(sorted(span for find in _RULES for span in find(plain))):
        parts += [text[position : places[start]], MASK]
        position = places[end]
    return "".join([*parts, text[position:]])


def _decoded(text: str) -> tuple[str, Sequence[int]]:
    """A text whose encoded characters are plain, and where each of its characters comes from."""
    if not _ENCODED.search(text):
        return text, range(len(text) + 1)
    parts: list[str] = []
    places: list[int] = []
    position = 0
    for found in _ENCODED.finditer(text):
        parts += [text[position : found.start()], chr(int(found[1], 16))]
        places += range(position, found.start() + 1)
        position = found.end()
    return "".join([*parts, text[position:]]), [*places, *range(position, len(text) + 1)]


def _merged(spans: Sequence[_Span]) -> list[_Span]:
    """Sorted spans of which none overlaps or touches another one."""
    merged: list[_Span] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _parts_of_urls(text: str) -> Iterator[_Span]:
    """User information, query, fragment, parameters and webhooks of URLs."""
    position = end_of_word = last_at = 0
    while found := _URL.search(text, position):
        start = found.end()
        if start >= end_of_word:
            end_of_word = _end_of(r"\S*", text, start)
            last_at = text.rfind("@", start, end_of_word)
        position = _end_of_url(text, found, end_of_word, last_at)
        rest = text[start:position]
        hidden, at, visible = rest.rpartition("@")
        if at:
            # the query or the password has an @
            yield start, position if re.search(r"[?#]", hidden) else start + len(hidden)
        elif not _has_host(rest.rstrip(".,;:")):  # as a sentence goes on
            position = _end_of(r"[^\n]*", text, start)
            yield start, position
            continue
        suffix = re.search(r"[?#]|;(?=.)", visible, re.DOTALL)
        if suffix:
            secret = start + len(rest) - len(visible) + suffix.end()
            end = position
            if position == len(text) or text[position].isspace():
                position = _end_of(_REST_OF_QUERY, text, position)
                end = secret + len(text[secret:position].rstrip(":;,"))
            if end > secret:
                yield secret, end
        if found.group().lower().endswith(("http://", "https://")):
            for path in (rest, visible):
                webhook = _WEBHOOK.match(path)
                secret = start + len(rest) - len(path) + (webhook.end() if webhook else 0)
                end = start + len(rest.rstrip(".,;:"))
                if webhook and end > secret:
                    yield secret, end


def _end_of_url(text: str, scheme: re.Match[str], end_of_word: int, last_at: int) -> int:
    """Position after a URL: a blank, the quotes around it, or another quote without an @ after."""
    quote = re.compile(r"""["'`<>]""").search(text, scheme.end(), end_of_word)
    if quote and last_at < quote.start():
        return quote.start()
    before = text[max(scheme.start() - 10, 0) : scheme.start()]
    if opening := re.search(r"""\\*["'`]\Z""", before):
        closing = _closing(opening.group()).search(text, end_of_word, end_of_word + _FAR)
        return closing.start() if closing else end_of_word
    return end_of_word


def _has_host(url: str) -> bool:
    """Whether a URL has a host and a port where they belong, rather than a user and a password."""
    try:
        _ = urlsplit(f"//{url}").port
    except ValueError:
        return False
    return True


def _values(text: str) -> Iterator[_Span]:
    """Values of keys that name a secret, without the quotes or brackets around them."""
    position, quote = 0, ""
    while found := _KEY.search(text, position):
        start = found.end()
        quote = _open_quote(text[position:start], quote)
        opening = _OPENING.match(text, start)
        if opening:
            inner = opening.end()
            if text.startswith("''", start) and opening.group() == "'":
                inner += not _is_empty(text, start)  # a quoted value in a literal of SQL
            end, position = _end_of_enclosed(text, text[start:inner], inner)
            yield inner, end
        else:
            value = _end_of_line if found["header"] else _end_of_bare_value
            position = value(text, start, quote)
            if position > start:
                yield start, position


def _is_empty(text: str, start: int) -> bool:
    """Whether two quotes are a value without a character."""
    return bool(_AFTER_QUOTE.match(text, start + 2)) and text[start + 2 : start + 3] != "'"


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


def _end_of_enclosed(text: str, opening: str, start: int) -> tuple[int, int]:
    """Positions before and after what ends a value within quotes or brackets."""
    mark = re.compile(r"[{\[]|[}\]]" if opening in {"{", "["} else re.escape(opening))
    depth, position = 1, start
    while found := mark.search(text, position):
        end = position = found.end()
        if found.group() in {"{", "["}:
            depth += 1
            continue
        depth -= found.group() in {"}", "]"}
        if depth > 0 and opening in {"{", "["}:
            continue
        is_escaped = text[found.start() - 1] == "\\"
        is_doubled = text.startswith(found.group(), end)
        if _AFTER_QUOTE.match(text, end) and not (is_escaped or is_doubled):
            return found.start(), end
        position += is_doubled
    return len(text), len(text)


def _end_of_line(text: str, start: int, quote: str) -> int:
    """Position after a line or the text in quotes that it is in."""
    end = _end_of(r"[^\n]*", text, start)
    closing = _closing(quote).search(text, start, end) if quote else None
    return closing.start() if closing else end


def _end_of_bare_value(text: str, start: int, quote: str) -> int:
    """Position after a value without quotes; `quote` ends the text that it is in."""
    end = _end_of(_BARE_VALUE, text, start)
    if quote and end > start:
        word = _end_of(r"\S*", text, start)
        tail = start + len(text[start:word].rstrip(_PUNCTUATION))
        phrase = _end_of(rf"[^=;\n]{{0,{_FAR}}}", text, word)
        last = re.compile(rf"{_closing(quote).pattern}(?=[{re.escape(_PUNCTUATION)}]*(?:\s|\Z))")
        closing = _closing(quote).search(text, tail, word) or last.search(text, word, phrase)
        if closing:
            return start + len(text[start : closing.start()].rstrip())
    is_in_sentence = end - start > 1 and text[end - 1] in ":;" and text[end : end + 1].isspace()
    return end - is_in_sentence


def _end_of(pattern: str | re.Pattern[str], text: str, start: int) -> int:
    """Position after a pattern, which may be empty."""
    found = re.compile(pattern).match(text, start)
    return found.end() if found else start


def _users(text: str) -> Iterator[_Span]:
    """Users and passwords before an @."""
    for word in re.finditer(r"\S+", text):
        at = text.rfind("@", word.start(), word.end())
        user = _USER.search(text, word.start(), at) if at >= 0 else None
        if user and user.end() < at:
            yield user.start(), at


_RULES: Final[tuple[Callable[[str], Iterator[_Span]], ...]] = (
    _parts_of_urls,
    _values,
    _users,
)
