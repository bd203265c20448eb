"""Text files: encoding, separator, header line, and whether a compressed file is complete.

A decision is made from the head of a file. What the head cannot know (a single byte that is not
UTF-8, another kind of line end further down) is noticed by DuckDB when it reads the file, and
`clean_copy` then writes the file once more as UTF-8 text with plain line ends.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, cast

import pyarrow as pa

from segmentation.inputs.names import InputError

Compression = Literal["", "gzip", "zstd"]
DELIMITERS: Final = (",", ";", "\t", "|")
DELIMITER_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
#: Bytes and lines from which the separator and the header are decided.
_HEAD_BYTES: Final = 1 << 20
_HEAD_LINES: Final = 200
#: A header stands in one of the first lines; above it are titles and comments.
_MOST_LINES_ABOVE: Final = 50
_BLOCK: Final = 1 << 20
#: A list of ids is a file with one column.
_FEWEST_COLUMNS: Final = 2
#: Codec of Python by the encodings that are recognized; others are set by the user.
_CODECS: Final[dict[str, str]] = {
    "utf-8": "utf-8-sig",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "windows-1252": "cp1252",
}
#: Also the beginning of a mark of UTF-16.
_UTF_32: Final = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_BYTE_ORDER_MARKS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
#: How files begin that only have the name of a text file.
_OTHER_KINDS: Final = {
    b"pk\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%pdf": "a PDF document",
    b"par1": "a Parquet file",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML document",
    b'{"': "a JSON document",
    b"{\n": "a JSON document",
    b"[{": "a JSON document",
    b"[\n": "a JSON document",
}
#: Share of zero bytes at one parity above which text without a byte order mark is UTF-16.
_ZERO_BYTES: Final = 0.3
_ZERO_BYTES_OF_UTF_32: Final = 0.6
#: Line breaks in the names of a header.
_MOST_BREAKS: Final = 20
_BREAK: Final = re.compile(r"\s*\n\s*")
#: A value that begins with a quote and does not end in the line.
_OPEN_QUOTE: Final = re.compile(r'(?:^|[,;\t|])\s*"(?:[^"]|"")*$')
#: A line in quotes, in which further quotes are doubled.
_WRAPPED: Final = re.compile(r'\s*"((?:[^"]|"")*)"\s*')
_LOOKS_LIKE_DATA: Final = re.compile(r"\s*[-+(]?[€$£]?\s*\d[\d.,/:'\u00a0 -]*\s*[%€)]?\s*")


@dataclass(frozen=True)
class FileFormat:
    """How a text file is read.

    Attributes
    ----------
    encoding, compression, delimiter
        As decided; `delimiter` is one character.
    header_line
        Line of the header, from 1.
    columns
        Names in the header.
    above
        Lines above the header that are not empty.
    needs_copy
        DuckDB cannot read the file as it is.
    repeated
        Names that several columns have.
    header_height
        Lines of the header; a name in quotes can hold line breaks.
    """

    encoding: str
    compression: Compression
    delimiter: str
    header_line: int
    columns: tuple[str, ...]
    above: tuple[str, ...] = ()
    needs_copy: bool = False
    repeated: tuple[str, ...] = ()
    header_height: int = 1

    def __str__(self) -> str:
        """Encoding and separator, as people name them."""
        names = {"utf-8": "UTF-8", "windows-1252": "Windows-1252"}
        names |= dict.fromkeys(("utf-16-le", "utf-16-be"), "UTF-16")
        parts = [
            names.get(self.encoding, self.encoding),
            f"{DELIMITER_NAMES.get(self.delimiter, repr(self.delimiter))}-separated",
        ]
        if self.compression:
            parts.append(self.compression)
        if self.above:
            parts.append(f"header in line {self.header_line}")
        return ", ".join(parts)


def text_format(
    path: Path,
    n_known: Callable[[Sequence[str]], int],
    n_required: int,
    encoding: str | None = None,
) -> FileFormat:
    """Decide how a text file is read.

    Parameters
    ----------
    path
        The file.
    n_known
        Number of required columns that a line names.
    n_required
        Number of required columns of the input.
    encoding
        The encoding that the user has set; recognized where none is given.

    Raises
    ------
    InputError
        If the file is empty, is no text, or has no header.
    """
    compression = compression_of(path)
    try:
        with _open(path, compression) as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise InputError([f"{path} cannot be read: {_first_line(error)}"]) from error
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise InputError([f"{path} is empty; there is nothing to read"])
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, what in _OTHER_KINDS.items():
        if start.startswith(signature):
            raise InputError([f"{path} is {what} and no text with columns; export it as CSV"])
    encoding = encoding or _encoding(path, head)
    text = head.decode(_CODECS.get(encoding, encoding), errors="replace").removeprefix("\ufeff")
    if not re.sub(r"(?i)^\s*sep=.(?=\s|$)", "", text).strip("\0 \t\r\n"):
        raise InputError([f"{path} is empty; there is nothing to read"])
    lines = io.StringIO(text, newline=None).read().split("\n")
    if len(head) == _HEAD_BYTES:
        lines.pop()  # cut off
    if not lines:
        raise InputError(
            [f"{path}: its first line does not end; check the line ends of the export"]
        )
    lines = _joined(lines[: _HEAD_LINES + _MOST_LINES_ABOVE])
    delimiter, header = _header(path, lines, n_known, n_required)
    columns = [_BREAK.sub(" ", name) for name in _fields(lines[header], delimiter)]
    return FileFormat(
        encoding,
        compression,
        delimiter,
        header + 1 + sum(line.count("\n") for line in lines[:header]),
        tuple(_named(columns)),
        tuple(line.strip() for line in lines[:header] if line.strip(" ;,|\t")),
        needs_copy=encoding != "utf-8" or _has_odd_line_ends(text),
        repeated=tuple(name for name, n in Counter(columns).items() if name and n > 1),
        header_height=1 + lines[header].count("\n"),
    )


def compression_of(path: Path) -> Compression:
    """The compression of a file, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return "gzip"
    return "zstd" if start == b"\x28\xb5\x2f\xfd" else ""


def check_complete(path: Path, compression: Compression) -> None:
    """Read a compressed file to its end.

    Raises
    ------
    InputError
        If it is cut off or damaged.
    """
    if not compression:
        return
    try:
        with _open(path, compression) as file:
            while file.read(_BLOCK):
                pass
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise InputError(
            [
                f"{path} is cut off or damaged: its {compression} data does not end properly; "
                "copy or export the file again"
            ]
        ) from error


def clean_copy(path: Path, text: FileFormat, target: Path, drop: Collection[int] = ()) -> None:
    """Write a text file as UTF-8 with plain line ends, from its header on.

    Parameters
    ----------
    path, text
        The file and how it is read.
    target
        Where the copy is written.
    drop
        Lines to leave out, counted from 1 at the header.

    Raises
    ------
    InputError
        If a byte has no meaning in the encoding.
    """
    codec = _CODECS.get(text.encoding, text.encoding)
    try:
        with (
            _open(path, text.compression) as raw,
            io.TextIOWrapper(raw, encoding=codec, errors=_on_error(text), newline=None) as file,
            target.open("w", encoding="utf-8", newline="\n") as copy,
        ):
            for _ in range(text.header_line - 1):
                file.readline()
            if not drop:
                while block := file.read(_BLOCK):
                    copy.write(block.removeprefix("\ufeff"))
                return
            for number, line in enumerate(file, start=1):
                if number not in drop:
                    copy.write(line)
    except UnicodeDecodeError as error:
        raise InputError(
            [
                f"{path} is not {text.encoding} text: byte {error.object[error.start]:#x} has no "
                "meaning there; export it as UTF-8, or name its encoding in encodings, such as "
                "cp850 or mac_roman"
            ]
        ) from error


def is_mostly_utf8(path: Path, compression: Compression) -> bool:
    """Whether the lines with accents are UTF-8 rather than Windows-1252.

    A UTF-8 file with a few damaged lines stays UTF-8: those lines are rejected.
    """
    n_valid = n_invalid = 0
    with _open(path, compression) as file:
        for line in file:
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                n_invalid += 1
            else:
                n_valid += 1
    return n_invalid == 0 or n_valid > n_invalid


def number_of_lines(path: Path, text: FileFormat) -> int:
    """Lines below the header that are not empty."""
    with _open(path, text.compression) as file:
        n_lines = sum(line.strip(b"\r\n") != b"" for line in file)
        file.seek(0)
        above = [file.readline() for _ in range(text.header_line + text.header_height - 1)]
    return n_lines - sum(line.strip(b"\r\n") != b"" for line in above)


def number_of_line_ends(path: Path, text: FileFormat) -> int:
    """Line ends below the header, empty lines included; the last line counts without one too."""
    n_ends, last = 0, b"\n"
    with _open(path, text.compression) as file:
        while block := file.read(_BLOCK):
            n_ends += block.count(b"\n")
            last = block[-1:]
    return n_ends + (last != b"\n") - text.header_line - text.header_height + 1


def _has_odd_line_ends(text: str) -> bool:
    """Whether the head has several kinds of line ends, or one that only old programs write."""
    n_windows = text.count("\r\n")
    n_old = text.rstrip("\r").count("\r") - n_windows
    return n_old > 0 or 0 < n_windows < text.count("\n")


def _on_error(text: FileFormat) -> str:
    """Bytes that are not UTF-8 keep their line apart; in other encodings they are errors."""
    return "surrogateescape" if text.encoding == "utf-8" else "strict"


def _open(path: Path, compression: Compression) -> IO[bytes]:
    if compression == "gzip":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if compression == "zstd":
        return pa.input_stream(str(path), compression="zstd")  # type: ignore[no-any-return]
    return path.open("rb")


def _encoding(path: Path, head: bytes) -> str:
    # each ASCII character has three zero bytes there, and one of two in UTF-16
    if head.startswith(_UTF_32) or head.count(0) > len(head) * _ZERO_BYTES_OF_UTF_32:
        raise InputError([f"{path} is UTF-32 text, which is not read; export it as UTF-8"])
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    half = max(len(head) // 2, 1)
    if head[1::2].count(0) / half > _ZERO_BYTES:
        return "utf-16-le"
    if head[0::2].count(0) / half > _ZERO_BYTES:
        return "utf-16-be"
    if head.count(0) > len(head) * _ZERO_BYTES / 10:
        raise InputError([f"{path} is not a text file: it has zero bytes; export it as CSV"])
    lines = head.split(b"\n")
    n_invalid = sum(not _is_utf8(line) for line in lines[:-1] or lines)
    n_valid = sum(not line.isascii() and _is_utf8(line) for line in lines[:-1])
    return "windows-1252" if n_invalid > n_valid else "utf-8"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _joined(lines: Sequence[str]) -> list[str]:
    """Lines, of which those that are in the same quotes are one, as far as the header can be."""
    joined: list[str] = []
    rest = list(lines)
    while rest:
        line = rest.pop(0)
        if len(joined) < _MOST_LINES_ABOVE and _OPEN_QUOTE.search(line):
            end = next(
                (place for place, more in enumerate(rest[:_MOST_BREAKS]) if more.count('"') % 2),
                None,
            )
            if end is not None:
                line = "\n".join([line, *rest[: end + 1]])
                del rest[: end + 1]
        joined.append(line)
    return joined


def _header(
    path: Path, lines: Sequence[str], n_known: Callable[[Sequence[str]], int], n_required: int
) -> tuple[str, int]:
    """Separator and index of the header line."""
    first = 0
    delimiters: tuple[str, ...] = DELIMITERS
    if given := re.fullmatch(r"(?i)\s*sep=(.)\s*", lines[0]):
        first, delimiters = 1, (given[1],)
    window = range(first, min(first + _MOST_LINES_ABOVE, len(lines)))
    n_most, _, minus_index, delimiter = max(
        (n_known(fields), len(fields), -index, delimiter)
        for delimiter in delimiters
        for index in window
        for fields in [_fields(lines[index], delimiter)]
    )
    if n_most == n_required:
        return delimiter, -minus_index
    for index in window:
        whole = unwrapped(lines[index])
        if any(n_known(_fields(whole, delimiter)) == n_required for delimiter in delimiters):
            raise InputError([_is_wrapped(path, index, lines[index])])
    # nothing names all columns: the most regular reading decides, and the names are judged later
    counts = {
        delimiter: Counter(len(_fields(line, delimiter)) for line in lines[first:] if line.strip())
        for delimiter in delimiters
    }

    def regularity(delimiter: str) -> tuple[float, int]:
        width, n_lines = max(counts[delimiter].items(), key=lambda item: (item[1], item[0]))
        return (n_lines / counts[delimiter].total() if width > 1 else 0.0, width)

    delimiter = max(delimiters, key=regularity)
    width = max(counts[delimiter].items(), key=lambda item: (item[1], item[0]))[0]
    header = next(
        (
            i
            for i in window
            if len(_fields(lines[i], delimiter)) == width and lines[i].strip(" ;,|\t")
        ),
        first,
    )
    names = _fields(lines[header], delimiter)
    if len(names) < min(n_required, _FEWEST_COLUMNS):
        whole = unwrapped(lines[header])
        if any(len(_fields(whole, delimiter)) > 1 for delimiter in delimiters):
            raise InputError([_is_wrapped(path, header, lines[header])])
        raise InputError(
            [
                f"{path} has no comma, semicolon, tab or vertical bar in line {header + 1}, "
                f"{lines[header][:80]!r}; export it with one of these between the values"
            ]
        )
    data = [name for name in names if _LOOKS_LIKE_DATA.fullmatch(name)]
    if data and not n_known(names):
        raise InputError(
            [
                f"{path} has no header: line {header + 1} is {lines[header][:80]!r}, which looks "
                "like data; add a first line with the names of the columns"
            ]
        )
    return delimiter, header


def unwrapped(line: str) -> str:
    """The text of a line that is in quotes as a whole; empty for another one.

    Examples
    --------
    >>> unwrapped('"s1,""p1"",5"')
    's1,"p1",5'
    """
    found = _WRAPPED.fullmatch(line)
    return found[1].replace('""', '"') if found else ""


def _is_wrapped(path: Path, index: int, line: str) -> str:
    return (
        f"{path}: line {index + 1}, {line[:80]!r}, is in quotes as a whole, so that it is one "
        "value; export the file without quotes around whole lines"
    )


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return line.split(delimiter)


def _named(columns: Sequence[str]) -> Iterator[str]:
    """Names without repetitions: a column without a name is called by its place."""
    seen: Counter[str] = Counter()
    for place, name in enumerate(columns, start=1):
        given = name or f"column_{place}"
        seen[given.lower()] += 1
        yield given if seen[given.lower()] == 1 else f"{given}_{seen[given.lower()]}"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
