"""Check own data without building: read it, profile it, and say whether a build may use it.

    python scripts/check_data.py sales=exports/sales.csv products=exports/products.csv
    python scripts/check_data.py --vars my.yml

Prints one line per input, what is wrong and the setting that helps, and how every column was read.
`--write my.yml` saves a `vars` file with the columns and formats that were found. The exit status
is 1 when an input is refused.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import yaml

from segmentation.engine.options import EngineError
from segmentation.engine.session import Engine
from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.given_vars import read_vars
from segmentation.inputs.names import InputError
from segmentation.inputs.options import INPUT_VARS, InputOptions, misspelled_vars
from segmentation.settings import Settings, SettingsError
from segmentation.warehouse.control_characters import visible
from segmentation.warehouse.files import FileError, write_file
from segmentation.warehouse.interrupts import end_on_interrupt
from segmentation.warehouse.secrets import without_secrets

_PROJECT: Final = Path(__file__).resolve().parents[1]
_WIDTHS: Final = {"input": 14, "column": 22, "read as": 11, "format": 34, "missing": 9}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the inputs; 0 if a build may use them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("inputs", nargs="*", metavar="name=location")
    parser.add_argument("--vars", default="", help="YAML file, or YAML text, with the vars")
    parser.add_argument("--write", type=Path, help="save a vars file with what was found")
    parser.add_argument(
        "--today", type=dt.date.fromisoformat, default=None, help="last day but one that is a date"
    )
    given = parser.parse_args(arguments)
    try:
        project_vars = _vars(given.vars)
        inputs = _inputs(project_vars, given.inputs)
        report = _check(project_vars, inputs, given.today or dt.datetime.now(tz=dt.UTC).date())
    except InputError as error:
        return _stop(error.problems)
    except (SettingsError, EngineError) as error:
        return _stop(str(error).splitlines())
    _show(report)
    text = report.vars_file(inputs) if not project_vars else _merged(report, inputs, project_vars)
    try:
        _give(text, given.write)
    except FileError as error:
        return _stop([str(error)])
    return 0 if report.is_good else 1


def _give(text: str, path: Path | None) -> None:
    """Write the vars to a file as they are, or show them without secrets."""
    shown = without_secrets(text)
    has_secrets = shown != text
    if path is None:
        masked = "; passwords are masked here" if has_secrets else ""
        print(f"\nVars for a build (save them with --write my.yml{masked}):\n\n{shown}")  # noqa: T201
        return
    write_file(path, text.encode(), mode=0o600 if has_secrets else 0o666)
    print(f"\nThe vars are in {path}: make build VARS={path}")  # noqa: T201
    if has_secrets:
        print("It has a password in it, and only you can read it.")  # noqa: T201


def _vars(given: str) -> dict[str, Any]:
    """The vars from a file or from text."""
    is_file = given.endswith((".yml", ".yaml"))
    try:
        content = read_vars(Path(given).read_text(encoding="utf-8") if is_file else given)
    except (OSError, ValueError) as error:
        raise InputError([f"--vars {given}: {error}" if is_file else str(error)]) from error
    if problems := misspelled_vars(content):
        raise InputError(problems)
    return content


def _inputs(project_vars: Mapping[str, Any], given: Sequence[str]) -> dict[str, str]:
    named = project_vars.get("inputs") or {}
    if not isinstance(named, Mapping):
        raise InputError([f"inputs: {named!r} is not allowed; it is a mapping of name to location"])
    inputs = {str(name): str(place) for name, place in named.items() if place}
    for argument in given:
        name, equals, location = argument.partition("=")
        if not (name and equals and location):
            raise InputError([f"{argument!r}: write name=location, such as sales=sales.csv"])
        inputs[name] = location
    if not inputs:
        raise InputError(
            ["there is no input to check; name one, such as sales=sales.csv products=products.csv"]
        )
    return inputs


def _check(given: Mapping[str, Any], inputs: Mapping[str, str], today: dt.date) -> IntakeReport:
    options = InputOptions(
        {name: given.get(name) for name in INPUT_VARS}, Settings(given.get("segmentation"))
    )
    known = _known_sources(given)
    if problems := options.unknown_inputs(known):
        raise InputError(problems)
    given_engine = Engine.from_var(given.get("engine"))
    engine = given_engine if "sales" in inputs else None
    if engine is not None:
        engine.check()
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        return check_data(connection, inputs, options, today, known, engine=engine)


def _known_sources(given: Mapping[str, Any]) -> list[str]:
    """External inputs that have a staging model."""
    project = yaml.safe_load((_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    return [*{**project["vars"], **given}["known_external_sources"]]


def _show(report: IntakeReport) -> None:
    """The verdict first, then what is wrong, then the columns."""
    lines = [*report.verdicts(), ""]
    for name, plan in report.plans.items():
        for file in plan.files[:5]:
            lines.append(f"{name}: {file.path} is {file.read_as}")
            lines += [f"{name}:   above the header: {text}" for text in file.above[:3]]
        if len(plan.files) > 5:  # noqa: PLR2004
            lines.append(f"{name}: and {len(plan.files) - 5} more files")
    if problems := report.all_problems():
        lines += ["", "To fix:", *(f"  {problem}" for problem in problems)]
    lines += ["", *_table(report.profile())]
    remarks = [f"  {name}: {text}" for name, texts in report.remarks.items() for text in texts]
    if remarks:
        lines += ["", "Worth a look:", *remarks]
    print(visible(without_secrets("\n".join(lines))))  # noqa: T201


def _table(profile: pl.DataFrame) -> list[str]:
    """How every column was read."""
    rows = [(*_WIDTHS, "from", "to")] + [
        (
            row["input"],
            row["column_name"],
            row["read_as"],
            row["format"],
            f"{row['n_missing']:,}",
            _short(row["minimum"]),
            _short(row["maximum"]),
        )
        for row in profile.iter_rows(named=True)
    ]
    widths = [*_WIDTHS.values(), 20, 20]
    return [
        " ".join(
            value[:width].ljust(width) for value, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _short(value: str | None) -> str:
    """A value without the digits that only floating point has, such as those after `0.362`."""
    try:
        return f"{float(value or ''):.12g}" if "." in (value or "") else value or ""
    except ValueError:
        return value or ""


def _merged(report: IntakeReport, inputs: Mapping[str, str], given: Mapping[str, Any]) -> str:
    """The vars that were given, with what was found where nothing was."""
    found = yaml.safe_load(report.vars_file(inputs))
    for key in ("columns", "formats"):
        blocks = {
            name: {
                **(found.get(key) or {}).get(name, {}),
                **((given.get(key) or {}).get(name) or {}),
            }
            for name in {**(found.get(key) or {}), **(given.get(key) or {})}
        }
        if blocks:
            found[key] = blocks
    return yaml.safe_dump(
        {**found, **{k: v for k, v in given.items() if k not in found}},
        sort_keys=False,
        allow_unicode=True,
    )


def _stop(problems: Sequence[str]) -> int:
    text = visible(without_secrets("check-data: " + "\n".join(problems)))
    print(text, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    end_on_interrupt("check-data: interrupted")
    sys.exit(main())
