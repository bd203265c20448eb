"""The real dbt on the real project, in a folder of its own, and small inputs to give it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.factory import cleanup_connections, reset_adapters
from dbt.cli.main import dbtRunner

from segmentation.warehouse.fingerprints import Fingerprint, table_fingerprints

from .dbt_process import DbtProcess

REPOSITORY: Final = Path(__file__).parents[2]

#: For builds whose point is not the data tests.
WITHOUT_TESTS: Final = (
    "--exclude-resource-type",
    "test",
    "--exclude-resource-type",
    "unit_test",
)
#: For builds on own inputs: the example seeds are not read then.
OWN_INPUTS: Final = (*WITHOUT_TESTS, "--exclude-resource-type", "seed")

#: Settings that make a fit of a few dozen stores quick; nothing else about it changes.
QUICK: Final[Mapping[str, Any]] = {
    "stability_resamples": 5,
    "gap_references": 5,
    "max_clusters": 4,
    "min_cluster_size": 3,
    "min_segment_size": 5,
    "picture_formats": [],
}

#: How many clusters there are and how large they are is fixed; what can change is their numbers.
THREE_CLUSTERS: Final[Mapping[str, Any]] = {
    **QUICK,
    "min_clusters": 3,
    "max_clusters": 3,
    "outlier_method": "none",
    # incomes are plain here, and logarithms once a later build has skewed ones
    "external": {"log_skewness_threshold": 1.0},
}
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@cache
def listed_messages() -> tuple[str, ...]:
    """All messages of `docs/errors.md`, with `<...>` for what differs from case to case."""
    text = (REPOSITORY / "docs" / "errors.md").read_text()
    return tuple(re.findall(r"^\| `(.+?)` \|", text, flags=re.MULTILINE))


def is_listed(message: str) -> bool:
    """Whether a message is one of `docs/errors.md`."""
    return any(
        re.fullmatch(".*".join(map(re.escape, re.split("<[^<>]+>", listed))), message, re.DOTALL)
        for listed in listed_messages()
    )


def no_file(kind: str, path: Path) -> Path:
    """A `folder` or a `pipe` at a path, or the path of a `device`."""
    if kind == "device":
        return Path(os.devnull)
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    return path


@dataclass(frozen=True)
class DbtRun:
    """What one call of dbt came to.

    `shown` is all a person would see on the terminal, `statuses` the outcome of every node by name,
    hooks left out.
    """

    success: bool
    statuses: dict[str, str]
    shown: str

    def lines_with(self, text: str) -> list[str]:
        """Lines on the terminal that hold a text."""
        return [line for line in self.shown.splitlines() if text in line]


@dataclass(frozen=True)
class Project:
    """A dbt project, usually the repository's, with its database, target and logs in `folder`."""

    folder: Path
    database_name: str = "stores.duckdb"
    source: Path = REPOSITORY

    @property
    def database(self) -> Path:
        """The database file of this project, and of no other."""
        return self.folder / self.database_name

    @property
    def published(self) -> Path:
        """The file that readers of the last complete build open."""
        return self.folder / "published" / self.database_name

    @property
    def environment(self) -> dict[str, str]:
        """Variables that keep everything dbt writes in the folder."""
        return {
            "STORE_SEGMENTS_DB": str(self.database),
            "STORE_SEGMENTS_PICTURES": str(self.folder / "pictures"),
        }

    @property
    def environment_of_dbt(self) -> dict[str, str]:
        """The same for dbt called in the folder.

        The path of the database is relative, as dbt parses everything again when the profile
        differs: a copy in another folder continues with what was parsed for the original.
        """
        return {**self.environment, "STORE_SEGMENTS_DB": self.database_name}

    @contextlib.contextmanager
    def _called(self) -> Iterator[list[str]]:
        """Environment, working directory and terminal of a call of dbt in this process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (
            _environment(self.environment_of_dbt),
            contextlib.chdir(self.folder),
            _terminal(self.folder / "stderr.txt") as shown,
        ):
            yield shown

    def dbt(
        self, command: str, *arguments: str, variables: Mapping[str, Any] | None = None
    ) -> DbtRun:
        """Call dbt in this process; the database is closed again afterwards."""
        with self._called() as shown:
            outcome = dbtRunner().invoke([*self.command(command, variables), *arguments])
            close_database()
        results = getattr(outcome.result, "results", None) or ()
        return DbtRun(
            success=outcome.success,
            statuses={
                result.node.name: str(result.status)
                for result in results
                if result.node.resource_type != "operation"
            },
            shown=_COLOURS.sub("", "\n".join(shown)),
        )

    def compiled(self, inline: str) -> str:
        """Give the SQL that dbt makes of a query with macros."""
        with self._called():
            outcome: Any = dbtRunner().invoke([*self.command("compile", None), "--inline", inline])
            close_database()
        assert outcome.success, outcome.exception
        return str(outcome.result.results[0].node.compiled_code)

    def build(self, *arguments: str, variables: Mapping[str, Any] | None = None) -> DbtRun:
        """Call `dbt build`, which has to succeed."""
        run = self.dbt("build", *arguments, variables=variables)
        assert run.success, run.shown
        return run

    def process(
        self,
        variables: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        umask: int | None = None,
        **environment: str,
    ) -> DbtProcess:
        """Begin a build without tests in a process of its own, all it shows as it comes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return DbtProcess(
            [*self.command("build", variables), *OWN_INPUTS, *arguments],
            environment={**os.environ, **self.environment_of_dbt, **environment},
            folder=self.folder,
            umask=umask,
        )

    def command(self, command: str, variables: Mapping[str, Any] | None = None) -> list[str]:
        """Arguments of dbt: everything is written into `folder`."""
        return [
            *command.split(),
            "--project-dir",
            str(self.source),
            "--profiles-dir",
            str(self.source),
            "--target-path",
            str(self.folder / "target"),
            "--log-path",
            str(self.folder / "logs"),
            "--no-use-colors",
            "--vars",
            json.dumps(dict(variables or {})),
        ]

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
        """Result of a query of the database, which nothing else has open."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql, list(parameters)).pl()

    def value(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """The single value of a query."""
        return self.query(sql, parameters).item()

    def execute(self, sql: str) -> None:
        """Change something in the database, which nothing else has open."""
        with duckdb.connect(str(self.database)) as connection:
            connection.execute(sql)

    def fingerprints(self) -> dict[str, Fingerprint]:
        """Hash of every table, of what does not tell of the run."""
        manifest = json.loads((self.folder / "target" / "manifest.json").read_text())
        return table_fingerprints(self.database, manifest)

    def table(self, name: str) -> pl.DataFrame:
        """All of a table, every row in a fixed place."""
        return self.query(f"select * from {name} order by all")


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts, by their path below the folder; line breaks in front of a text are left out."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the time of one call."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _terminal(errors: Path) -> Iterator[list[str]]:
    """Collect standard output, and standard error down to the file descriptor.

    The progress of the Python models goes past `sys.stderr`, so the descriptor is redirected.
    """
    shown: list[str] = []
    output = io.StringIO()
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with errors.open("wb") as stream:
            os.dup2(stream.fileno(), 2)
            with contextlib.redirect_stdout(output):
                yield shown
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
    shown.extend([output.getvalue(), errors.read_text(errors="replace")])


def close_database() -> None:
    """End dbt's process-wide connection, which would stay open until the next call."""
    cleanup_connections()  # type: ignore[no-untyped-call]
    reset_adapters()  # type: ignore[no-untyped-call]
    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Inputs:
    """Small inputs with three kinds of stores, to be damaged by the test and written to files."""

    sales: pl.DataFrame
    products: pl.DataFrame
    demographics: pl.DataFrame

    def write(self, folder: Path, suffix: str = "csv") -> dict[str, Any]:
        """Write the inputs, return the vars `inputs` and `external_sources` that name them."""
        folder.mkdir(parents=True, exist_ok=True)
        locations = {}
        for name, frame in vars(self).items():
            path = folder / f"{name}.{suffix}"
            write_frame(frame, path)
            locations[name] = str(path)
        return {"inputs": locations, "external_sources": ["demographics"]}


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet or CSV, by the name of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path)


def small_inputs(
    stores: int = 40,
    categories: Sequence[str] = ("Bread", "Cheese"),
    need_states: Sequence[str] = ("Basic", "Fancy", "Fresh", "Late", "Organic"),
    seed: int = 1,
) -> Inputs:
    """Inputs of stores in three kinds: each sells more of some need states in other surroundings.

    Every store sells one product of every need state of every category; a product's id is
    `<number of the category>-<number of the need state>`.
    """
    generator = np.random.default_rng(seed)
    ids = [f"S{number:03d}" for number in range(1, stores + 1)]
    kinds = np.arange(stores) % 3
    sales: list[dict[str, str]] = []
    products: list[dict[str, str]] = []
    for category_number, category in enumerate(categories, start=1):
        tastes = generator.dirichlet(np.full(len(need_states), 0.7), size=3)
        for state_number, need_state in enumerate(need_states, start=1):
            product = f"{category_number}-{state_number}"
            products.append(
                {
                    "product_id": product,
                    "product_name": f"{need_state} product",
                    "category": category,
                    "need_state": need_state,
                }
            )
            amounts = 20.0 + 1000.0 * tastes[kinds, state_number - 1]
            amounts *= generator.lognormal(sigma=0.15, size=stores)
            sales.extend(
                {
                    "store_id": store,
                    "product_id": product,
                    "sold_on": "2025-01-31",
                    "sales_amount": f"{amount:.2f}",
                    "units": "3",
                }
                for store, amount in zip(ids, amounts, strict=True)
            )
    demographics = {
        "store_id": ids,
        "median_income_usd": _numbers(generator, np.array([40e3, 60e3, 90e3])[kinds], 0.08),
        "median_age_years": _numbers(generator, np.array([30.0, 45.0, 38.0])[kinds], 0.05),
        "area_type": [("urban", "town", "rural")[kind] for kind in kinds],
    }
    return Inputs(pl.DataFrame(sales), pl.DataFrame(products), pl.DataFrame(demographics))


def _numbers(generator: np.random.Generator, centers: Any, spread: float) -> list[str]:
    """Centers with relative noise, as texts of a CSV file."""
    noisy = centers * generator.normal(1.0, spread, size=len(centers))
    return [f"{value:.1f}" for value in noisy]


@dataclass(frozen=True)
class Built:
    """A project after a build, the vars it was built with, and what dbt showed."""

    project: Project
    variables: dict[str, Any]
    run: DbtRun

    def continued(
        self, folder: Path, arguments: Sequence[str] = OWN_INPUTS, **changed: Any
    ) -> Built:
        """Build again in a copy of the database, with some of the vars changed."""
        project = copy_of(self.project, folder)
        variables = {**self.variables, **changed}
        return Built(project, variables, project.build(*arguments, variables=variables))

    def models(self) -> dict[str, list[str]]:
        """Model ids of every scope, in the order in which they came into force."""
        rows = self.project.query(
            "select scope, model_id from governance.model_registry order by scope, in_force_order"
        )
        return {
            str(scope): part["model_id"].to_list()
            for (scope,), part in rows.group_by("scope", maintain_order=True)
        }

    def in_force(self) -> dict[str, str]:
        """Model id of every scope that scores its stores."""
        rows = self.project.query(
            "select scope, model_id from governance.current_cluster_models order by scope"
        )
        return dict(rows.iter_rows())

    def fitted_scopes(self) -> set[str]:
        """Scopes that this build fitted, as the terminal says."""
        lines = self.run.lines_with(": fitting ")
        return {line.split(": fitting ")[0].rsplit(": ", 1)[-1] for line in lines}


def copy_of(project: Project, folder: Path) -> Project:
    """A project with a copy of the database.

    The parsed project and the pictures are copied along, as making them again takes time.
    """
    (folder / "target").mkdir(parents=True)
    copied = Project(folder)
    shutil.copy(project.database, copied.database)
    shutil.copy(project.folder / "target" / "partial_parse.msgpack", folder / "target")
    if (project.folder / "pictures").is_dir():
        shutil.copytree(project.folder / "pictures", folder / "pictures")
    return copied


def with_noise(inputs: Inputs, category: str, largest: float) -> Inputs:
    """The sales of one category changed by up to a share, each amount by another one."""
    factor = 1.0 + largest * (pl.int_range(pl.len()) * 7919 % 201 - 100) / 100
    amount = pl.col("sales_amount").cast(pl.Float64) * factor
    products = inputs.products.filter(pl.col("category") == category)["product_id"].to_list()
    changed = pl.when(pl.col("product_id").is_in(products)).then(amount.round(2).cast(pl.String))
    return replace(
        inputs,
        sales=inputs.sales.with_columns(changed.otherwise("sales_amount").alias("sales_amount")),
    )
