from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.check_data import main

SALES = "Store;product_id;sales_amount;sold_on\ns1;p1;1.234,50;31.01.2025\n"
PRODUCTS = "product_id,category,need_state\np1,Food,Fresh\n"
TODAY = ("--today", "2026-06-30")


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / "products.csv").write_text(PRODUCTS)
    return [f"{name}={tmp_path / name}.csv" for name in ("sales", "products")]


def test_good_data_gives_a_vars_file_that_checks_the_same(
    inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "my.yml"
    mapping = "columns: {sales: {store_id: Store}}"
    assert main([*inputs, "--vars", mapping, "--write", str(written), *TODAY]) == 0
    assert "sales: good; 1 of 1 rows accepted, 1,234.50 of 1,234.50" in capsys.readouterr().out
    found = yaml.safe_load(written.read_text())
    assert found["columns"] == {"sales": {"store_id": "Store"}}
    assert found["formats"]["sales"]["sales_amount"] == {"decimal": ",", "thousands": "."}
    assert main(["--vars", str(written), *TODAY]) == 0


def test_vars_with_a_password_are_written_as_they_are_for_the_owner_alone(
    inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"columns": {"sales": {"store_id": "Store"}}, "lake": "https://me:Zq7Kx@host/x"}
    written = tmp_path / "my.yml"
    arguments = [*inputs, "--vars", yaml.safe_dump(given), *TODAY]
    assert main([*arguments, "--write", str(written)]) == 0
    assert yaml.safe_load(written.read_text())["lake"] == given["lake"]
    assert written.stat().st_mode & 0o777 == 0o600
    assert main(arguments) == 0
    shown = "".join(capsys.readouterr())
    assert "It has a password in it, and only you can read it." in shown
    assert "--write my.yml; passwords are masked here" in shown
    assert "lake: https://***@host/x" in shown
    assert "Zq7Kx" not in shown


def test_vars_that_cannot_be_written_are_one_message(
    inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    mapping = "columns: {sales: {store_id: Store}}"
    written = tmp_path / "file" / "my.yml"
    assert main([*inputs, "--vars", mapping, "--write", str(written), *TODAY]) == 1
    assert f"check-data: {written} cannot be written: " in capsys.readouterr().err


def test_what_is_worth_a_look_is_shown(
    inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sales.csv").write_text(f"{SALES}s1;p1;1.234,50;31.01.2025\n")
    main([*inputs, "--vars", "columns: {sales: {store_id: Store}}", *TODAY])
    assert "  sales: 1 row(s) (50 %) repeat another one exactly" in capsys.readouterr().out


def test_an_input_of_another_name_is_refused_as_a_build_does(
    inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*inputs, "stores=stores.csv", *TODAY]) == 1
    assert "inputs.stores: unknown input; known ones: sales, products, demog" in (
        capsys.readouterr().out
    )


def test_data_that_is_refused_gives_the_setting_and_a_status(
    inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*inputs, *TODAY]) == 1
    assert "set columns: {sales: {store_id: Store}}" in capsys.readouterr().out


def test_control_characters_of_values_are_shown_as_symbols(
    inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "products.csv").write_text(
        "product_id,category,need_state,colo\x1b[2Jr\np\x1b[2J1,Food\x9b,\x07Fresh,red\n"
    )
    assert main([*inputs, "--vars", "columns: {sales: {store_id: Store}}", *TODAY]) == 1
    assert main([*inputs, "x\x1b[2J", *TODAY]) == 1
    shown = "".join(capsys.readouterr())
    assert "p␛[2J1" in shown
    assert "x␛[2J" in shown or "x\\x1b[2J" in shown
    assert not set(shown) & set("\x1b\x9b\x07")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no input to check"),
        (["sales.csv"], "write name=location"),
        (["--vars", "missing.yml"], "--vars missing.yml"),
        (["--vars", "[1]"], "the vars are not allowed; they are a mapping"),
        (["--vars", "{a: [}"], "not valid YAML: line 1, column 6: "),
        (["--vars", "{formats: {sales: {sold_on: '%d/%m/%y'}}}", "sales=x.csv"], "four-digit"),
        (["--vars", "{inputs: [1]}"], "it is a mapping of name to location"),
        (["--vars", "{formats: [1]}", "sales=x.csv"], "formats"),
        (["--vars", "{input: {sales: x.csv}}"], "input: unknown var; did you mean inputs?"),
        (["--vars", "{sheets: {slaes: x}}", "sales=x.csv"], "sheets.slaes: unknown input; did you"),
    ],
)
def test_wrong_arguments_are_one_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *TODAY]) == 1
    assert message in capsys.readouterr().err
