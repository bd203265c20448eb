"""The var `engine`: which engine has the sales, and where it and this machine exchange files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from segmentation.warehouse.secrets import without_secrets

#: Spark Connect's port where the address names none.
DEFAULT_PORT: Final = 15002
_TABLE: Final = re.compile(r"(?!.*\.(parquet|pq)$)[\w-]+(\.[\w-]+){0,2}")
_MOST_PORTS: Final = 65_535
#: Files whose columns have no types; engines read them differently.
_UNTYPED: Final = re.compile(r"\.(csv|tsv|txt|xlsx)(\.(gz|zst))?([?].*)?$", re.IGNORECASE)


class EngineError(RuntimeError):
    """The engine cannot do its part; the message says why and what to do, on one line."""


def _address(value: object) -> object:
    found = re.match(r"sc://[^/:;\s]+(?::(\d+))?(/|$)", value) if isinstance(value, str) else None
    if found and 0 < int(found[1] or DEFAULT_PORT) <= _MOST_PORTS:
        return value
    raise ValueError("it is the address of a Spark Connect server, such as sc://host:15002")


def _destination(value: object) -> object:
    if isinstance(value, str) and ("/" in value or is_table(value)):
        return value
    raise ValueError("it is a schema of the catalog, such as shop.segments, or a folder or URL")


def _partitions(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError("it is a number of partitions from 1, or auto")


class EngineOptions(BaseModel):
    """What the var `engine` says.

    Attributes
    ----------
    remote
        Address of a Spark Connect server.
    shared
        Folder or object store URL that this machine and all workers of the engine read and write.
    partitions
        Number of partitions of the sales; `auto` takes them as the engine reads them.
    format
        Format of sales that are given as files or a folder, and of published tables.
    tables
        Where `make publish-engine` writes the marts: a schema of the catalog, or a folder or URL.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    remote: Annotated[str, PlainValidator(_address)]
    shared: str = Field(min_length=1)
    partitions: Annotated[int | Literal["auto"], PlainValidator(_partitions)] = "auto"
    format: Literal["parquet", "delta", "iceberg"] = "parquet"
    tables: Annotated[str, PlainValidator(_destination)] | None = None

    @classmethod
    def from_var(cls, given: object) -> Self | None:
        """Parse the var; None where no engine is set.

        Raises
        ------
        EngineError
            For an unknown name or an impossible value, one line per problem.
        """
        if not given:
            return None
        if not isinstance(given, Mapping):
            raise EngineError(
                f"engine: {without_secrets(given)!r} is not allowed; it is a mapping of"
                f" {', '.join(cls.model_fields)}"
            )
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            raise EngineError("\n".join(_explained(item) for item in error.errors())) from error

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where the server listens."""
        parts = urlsplit(self.remote)
        return parts.hostname or "", parts.port or DEFAULT_PORT

    @property
    def shown(self) -> str:
        """The address without what follows the port, which may hold a token."""
        host, port = self.host_and_port
        return f"sc://{host}:{port}"

    @property
    def shared_url(self) -> str:
        """The shared folder as a URL."""
        return self.shared if "://" in self.shared else Path(self.shared).resolve().as_uri()


def _explained(item: Mapping[str, Any]) -> str:
    """One problem that pydantic has found, as a line for people."""
    path = ".".join(["engine", *map(str, item["loc"])])
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown setting; allowed here: {', '.join(EngineOptions.model_fields)}"
    if item["type"] == "missing":
        return f"{path}: it is missing; an engine needs remote and shared"
    message = item["msg"].removeprefix("Value error, ")
    shown = repr(without_secrets(item["input"]))
    return f"{path}: {shown} is not allowed; {message[0].lower()}{message[1:]}"


def is_table(location: str) -> bool:
    """Whether a location names a table of the engine's catalog."""
    return _TABLE.fullmatch(location) is not None


def location_problem(location: str) -> str:
    """Why the engine cannot read the sales at a location; empty if it may.

    Files without types are refused: engines read them differently, and a build here reads them as
    no engine does.
    """
    if not _UNTYPED.search(location):
        return ""
    target = f"{re.split(r'[*?{[]', location)[0].rpartition('/')[0] or '.'}/sales.parquet"
    reader = f"read_csv('{location}', all_varchar = true)"
    if location.lower().endswith(".xlsx"):
        reader = f"read_xlsx('{location}', all_varchar = true)"
    return (
        f"{location!r} has no types, and an engine reads such files differently; convert it once:"
        f" duckdb -c \"copy (from {reader}) to '{target}'\", and name {target}"
    )
