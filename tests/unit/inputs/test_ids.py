"""How many ids two inputs share, against sets of ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from segmentation.inputs.ids import IdMatch

from .helpers import check


def sold(money: Mapping[str, float], product: str = "p1") -> str:
    """Sales of stores."""
    rows = [f"{store},{product},{amount:.2f}" for store, amount in money.items()]
    return "\n".join(["store_id,product_id,sales_amount", *rows, ""])


def facts(*stores: str) -> str:
    """Facts about stores, all different."""
    return "\n".join(["store_id,income", *(f"{store},{n}.5" for n, store in enumerate(stores)), ""])


def matches(
    connection: duckdb.DuckDBPyConnection, folder: Path, files: Mapping[str, str]
) -> dict[tuple[str, str, str], IdMatch]:
    """Every match by column and inputs."""
    found = check(connection, folder, files).matches
    return {(one.column, one.left, one.right): one for one in found}


def test_ids_and_money_in_both_inputs_are_counted(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    money = {f"s{n}": 10.0 * n for n in range(1, 11)}
    known = ["s9", "s10", *(f"t{n}" for n in range(5, 0, -1)), "s8"]
    found = matches(connection, tmp_path, {"sales": sold(money), "demographics": facts(*known)})
    stores = found["store_id", "sales", "demographics"]
    assert stores.money_share == pytest.approx(270 / 550)
    assert stores == IdMatch(
        "store_id",
        "sales",
        "demographics",
        n_left=10,
        n_right=8,
        n_both=3,
        money_share=stores.money_share,
        examples=(("s1", "s2", "s3"), ("t1", "t2", "t3")),
    )
    products = found["product_id", "sales", "products"]
    assert (products.n_left, products.n_right, products.n_both) == (1, 2, 1)
    assert (products.money_share, products.examples) == (1.0, ((), ("p2",)))


def test_the_sales_are_matched_with_every_input_and_external_ones_without_sales(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    external = {"demographics": facts("s1"), "competition": facts("s1"), "area": facts("s1")}
    assert set(matches(connection, tmp_path, {"sales": sold({"s1": 5}), **external})) == {
        ("product_id", "sales", "products"),
        *(("store_id", "sales", name) for name in external),
    }
    alone = matches(connection, tmp_path, external)
    assert set(alone) == {
        ("store_id", "area", "competition"),
        ("store_id", "area", "demographics"),
        ("store_id", "competition", "demographics"),
    }
    assert all(one.money_share is None and one.n_both == 1 for one in alone.values())


@pytest.mark.parametrize(
    ("n_other", "n_alike", "is_refused"),
    [
        (2, 2, False),  # eight in ten are the same
        (3, 3, True),
        (4, 2, True),  # half of the others would match
        (4, 1, False),
        (10, 5, True),
        (10, 4, True),  # no id is the same
        (9, 4, False),
    ],
)
def test_ids_are_refused_if_half_of_the_others_match_without_regard_to_case(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    n_other: int,
    n_alike: int,
    is_refused: bool,
) -> None:
    ids = [f"a{n:02d}" for n in range(10)]
    others = [f"z{n:02d}" for n in range(n_other)]
    known = [*ids[n_other:], *[name.upper() for name in ids[:n_alike]], *others[n_alike:]]
    files = {"sales": sold(dict.fromkeys(ids, 5.0)), "demographics": facts(*known)}
    match = matches(connection, tmp_path, files)["store_id", "sales", "demographics"]
    assert (match.n_left, match.n_right, match.n_both) == (10, 10, 10 - n_other)
    assert bool(match.problem) == is_refused
    if is_refused and 2 * n_alike >= n_other:
        assert match.problem == (
            f"sales and demographics share {10 - n_other} of 10 store_ids, such as 'a00' against "
            f"'A00'; without regard to upper and lower case they share {10 - n_other + n_alike}. "
            "If these are the same, set segmentation.ignore_in_ids: [case]"
        )
    elif is_refused:
        assert match.problem == (
            "sales and demographics share 0 of 10 store_ids, such as 'a00' against 'A00'; nothing "
            "can be joined. Check that both columns have the same kind of id"
        )


def test_what_is_ignored_is_the_least_that_helps(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for known, words, setting in (
        (("01", "02"), "leading zeros", "leading_zeros"),
        (("0A", "0B"), "leading zeros and upper and lower case", "leading_zeros, case"),
    ):
        plain = [name.lstrip("0").lower() for name in known]
        files = {"sales": sold(dict.fromkeys(plain, 5.0)), "demographics": facts(*known)}
        match = matches(connection, tmp_path, files)["store_id", "sales", "demographics"]
        assert f"; without regard to {words} they share 2. " in match.problem
        assert f"ignore_in_ids: [{setting}]" in match.problem


def test_the_smaller_input_says_how_many_ids_could_be_the_same(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    ids = [f"s{n}" for n in range(30)]
    files = {"sales": sold(dict.fromkeys(ids, 5.0)), "demographics": facts("s1", "s2")}
    match = matches(connection, tmp_path, files)["store_id", "sales", "demographics"]
    assert (match.n_both, match.examples[1], match.problem) == (2, (), "")
