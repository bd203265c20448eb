"""Simulations behind docs/evaluation.md, and the verdicts on The Complete Journey.

``python -m benchmarks.evaluation simulations`` needs about five minutes on two cores. ``python -m
benchmarks.evaluation journey`` reads demo/data (made by scripts/prepare_complete_journey.py) and
fits each department on its first half-year.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import yaml

from segmentation.evaluation.matching import (
    MIN_TESTS,
    estimate,
    growth,
    matched_stores,
    past_coordinates,
)
from segmentation.evaluation.new_stores import History, new_stores
from segmentation.evaluation.opportunity import room, segment_opportunity
from segmentation.evaluation.periods import ORIGIN, Panel, halves, panel, period_start, too_little
from segmentation.evaluation.products import product_ranking
from segmentation.evaluation.simulation import simulated_chain
from segmentation.evaluation.store_groups import Plans, merged_steps, segment_budget, store_groups
from segmentation.evaluation.validity import (
    Grouping,
    expected_share,
    grouping_skill,
    segment_validity,
)
from segmentation.evaluation.value_of_k import value_of_k
from segmentation.features.vectors import TRANSFORMS, Labels, Matrix, closure
from segmentation.fitting.model import AffineModel, TrainingData
from segmentation.fitting.scope import fit_scope
from segmentation.settings import Settings

#: Products that are ranked in each department.
N_PRODUCTS = 300
DEMO = Path(__file__).resolve().parents[1] / "demo"


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def both_mixes(whole: Panel) -> tuple[Matrix, Matrix]:
    """Shares of both halves; every store of a simulated chain sells in both."""
    first, second = halves(whole)
    return closure(first.totals()), closure(second.totals())


def validity() -> None:
    """Share of chains whose groups hold, planted and shuffled."""
    say("groups           chains  hold    mean skill")
    for name, spread in (("strong", 0.8), ("weak", 0.2), ("none", 0.0)):
        found = []
        for seed in range(200):
            whole, labels = simulated_chain(
                n_stores=200, group_spread=spread, store_spread=0.1, seed=seed
            )
            found.append(grouping_skill(*both_mixes(whole), labels))
        held = np.mean([one.holds for one in found])
        say(f"{name:<16} {200:>6}  {held:>6.1%}  {np.mean([one.skill for one in found]):>8.1%}")
    held_when_shuffled = []
    for seed in range(40):
        whole, labels = simulated_chain(n_stores=200, group_spread=0.8, store_spread=0.3, seed=seed)
        mixes, generator = both_mixes(whole), np.random.default_rng(seed)
        held_when_shuffled += [
            grouping_skill(*mixes, generator.permutation(labels)).holds for _ in range(100)
        ]
    say(f"{'shuffled':<16} {len(held_when_shuffled):>6}  {np.mean(held_when_shuffled):>6.1%}")


def household_chain(households: int, by_household: bool, seed: int) -> tuple[Panel, Labels]:
    """Stores whose sales come from a few households with a fixed taste each.

    The middle axis holds two-week blocks or, if asked, the households of each store.
    """
    whole, labels = simulated_chain(
        n_periods=households if by_household else 26, n_stores=120, seed=seed
    )
    generator = np.random.default_rng(seed)
    n_stores, width = len(whole.stores), len(whole.need_states)
    tastes = generator.dirichlet(np.full(width, 1.0), size=(n_stores, households))
    baskets = generator.gamma(2.0, 20.0, (n_stores, 26, households))
    kept = "sph,shn->shn" if by_household else "sph,shn->spn"
    whole.amounts[:] = np.einsum(kept, baskets, tastes)
    return whole, labels


def basket_chain(baskets: float, seed: int) -> tuple[Panel, Labels]:
    """Stores that differ by baskets only."""
    return simulated_chain(baskets_per_period=baskets, seed=seed)


def null_room() -> None:
    """Room on chains whose stores do not differ: at most 0.5 % of sales is allowed."""
    say("chain whose stores do not differ         chains  raw gap  room: mean     max")
    chains: dict[str, Callable[[int], tuple[Panel, Labels]]] = {
        f"{baskets:g} baskets per two weeks": partial(basket_chain, baskets)
        for baskets in (2.0, 5.0, 20.0, 60.0, 200.0)
    }
    for households in (5, 20, 100):
        name = f"{households} households of fixed taste"
        chains[f"{name}, blocks"] = partial(household_chain, households, False)
        chains[f"{name}, groups"] = partial(household_chain, households, True)
    for name, make in chains.items():
        raw, kept = [], []
        for seed in range(100):
            whole, labels = make(seed)
            active = whole.amounts.sum(axis=(1, 2)) > 0
            amounts, groups = whole.amounts[active], labels[active]
            total = amounts.sum()
            shares, sales = closure(amounts.sum(axis=1)), amounts.sum(axis=(1, 2))
            gap = 0.0
            for group in np.unique(groups):
                rows = groups == group
                target = np.quantile(shares[rows], 0.75, axis=0)
                gap += float((sales[rows, None] * np.maximum(target - shares[rows], 0)).sum())
            raw.append(gap / total)
            kept.append(room(amounts, groups).amount.sum() / total)
        say(
            f"{name:<40} {100:>6}  {np.mean(raw):>7.1%}  {np.mean(kept):>10.2%}  {np.max(kept):>6.2%}"
        )


def growing_chain(n_stores: int, seed: int) -> Panel:
    """A chain whose stores also grow at their own pace after the thirteenth period."""
    whole, _ = simulated_chain(n_stores=n_stores, group_spread=0.3, store_spread=0.1, seed=seed)
    pace = np.random.default_rng(1000 + seed).normal(0, 0.1, n_stores)
    whole.amounts[:, 13:] *= np.exp(pace)[:, None, None]
    return whole


def placebo_tests() -> None:
    """Coverage and centre of tests without an effect."""
    say("stores  tests  placebo tests  mean effect  coverage  mean detectable effect")
    for n_stores, n_tests in ((80, MIN_TESTS), (160, 24), (400, 40)):
        found = []
        for seed in range(100):
            whole = growing_chain(n_stores, seed)
            before, after = whole.amounts[:, :13], whole.amounts[:, 13:]
            points, _ = past_coordinates(before)
            ratios, generator = growth(before, after), np.random.default_rng(seed)
            for _ in range(10):
                tests = np.sort(generator.permutation(n_stores)[:n_tests])
                found.append(estimate(ratios, points, tests, None, generator, n_placebos=200))
        covered = np.mean([one.low <= 0 <= one.high for one in found])
        effect = np.mean([one.effect for one in found])
        detectable = 2.8 * np.mean([one.standard_error for one in found])
        say(
            f"{n_stores:>6}  {n_tests:>5}  {len(found):>13}  {effect:>+11.2%}  {covered:>8.1%}  {detectable:>12.1%}"
        )


def costs() -> None:
    """Seconds for 2,000 stores and one category, all tables of this package."""
    whole, labels = simulated_chain(
        n_stores=2000, n_need_states=10, n_groups=8, group_spread=0.3, store_spread=0.2
    )
    names = {store: str(label) for store, label in zip(whole.stores, labels, strict=True)}
    grouping = Grouping("segments", names, whole.starts[0])
    shares, sales = closure(whole.totals()), whole.totals().sum(axis=1)
    segments = pl.DataFrame(
        [(f"c{c}", s, g) for c in range(12) for s, g in names.items()],
        schema=["category", "store_id", "segment_id"],
        orient="row",
    )
    tasks: dict[str, Callable[[], object]] = {
        "segment_validity": lambda: segment_validity(whole, "c", [grouping]),
        "expected_share": lambda: expected_share(whole, "c"),
        "segment_opportunity": lambda: segment_opportunity(whole, "c", names, seed=0),
        "value_of_k (6 candidates)": lambda: value_of_k(
            whole, "c", {k: labels % k for k in (2, 3, 4, 5, 6, 8)}, 1.0
        ),
        "product_ranking": lambda: product_ranking(whole, "c", names),
        "merged_steps": lambda: merged_steps(Plans(shares, shares, sales), labels),
        "store_groups (12 categories)": lambda: store_groups(
            segments, {f"c{c}": 1.0 for c in range(12)}, 8, seed=0
        ),
        "segment_budget (12 categories)": lambda: segment_budget(
            {f"c{c}": [(k, 100.0 / k) for k in range(1, 11)] for c in range(12)}, 40
        ),
    }
    surroundings = np.eye(8, 20)[labels] * 2 + np.random.default_rng(0).normal(0, 1, (2000, 20))
    known = History(whole.stores, surroundings, tuple(names.values()), shares, whole.need_states)
    tasks["matched_stores (100 test stores)"] = lambda: matched_stores(
        whole, list(whole.stores[::20]), whole.starts[13], seed=0
    )
    tasks["new_stores (20 new ones)"] = lambda: new_stores(
        known, "c", [f"new {n}" for n in range(20)], surroundings[:20], seed=0
    )
    say("2,000 stores x 26 periods x 10 need states, one category   seconds")
    for name, task in tasks.items():
        started = time.perf_counter()
        task()
        say(f"{name:<58} {time.perf_counter() - started:>7.2f}")


def first_half_clusters(first: Panel, category: str, settings: Settings) -> dict[str, str]:
    """Clusters of the internal lane, fitted on the first half alone."""
    chosen = settings.for_scope("internal", category)
    totals = first.totals()
    learned = totals.sum(axis=1) >= max(chosen.min_training_sales / 2, 0.01)
    shares = closure(totals[learned])
    stores = [store for store, yes in zip(first.stores, learned, strict=True) if yes]
    x = TRANSFORMS[chosen.transform].of_shares(shares, chosen.zero_replacement)
    data = TrainingData(
        category,
        tuple(stores),
        first.need_states,
        (None,) * len(first.need_states),
        shares,
        x,
    )
    model = AffineModel.from_row(fit_scope(data, chosen))
    clusters = model.predict(model.transform(first.need_states, x))
    return {store: str(cluster) for store, cluster in zip(stores, clusters, strict=True)}


def best_sellers(category: str, n_products: int) -> Panel:
    """Two-week sales of the products of a department that sold most in the first half-year."""
    sales = duckdb.sql(
        f"""
        with lines as (
            select store_id, category, product_id as need_state, sold_on, sales_amount
            from read_parquet('{DEMO}/data/sales.parquet') as sales
            inner join read_parquet('{DEMO}/data/products.parquet') as products using (product_id)
            where category = $category
        ),
        best as (
            select need_state
            from lines
            where sold_on < (select min(sold_on) from lines) + interval '182 days'
            group by all
            order by sum(sales_amount) desc, need_state
            limit {n_products}
        )
        select * replace (sales_amount::decimal(18, 2) as sales_amount)
        from lines semi join best using (need_state)
        order by all
        """,
        params={"category": category},
    ).pl()
    starts = period_start(pl.col("sold_on"), "two_weeks")
    return panel(sales.with_columns(period_start=starts), category)


def journey() -> None:
    """Verdicts and room per department of The Complete Journey."""
    given = yaml.safe_load((DEMO / "vars.yml").read_text(encoding="utf-8"))
    settings = Settings(given["segmentation"])
    sales = duckdb.sql(
        f"""
        select
            store_id, category, need_state, sold_on,
            (hash(household_id) % 64)::integer as household_group,
            sum(sales_amount)::decimal(18, 2) as sales_amount
        from read_parquet('{DEMO}/data/sales.parquet')
        inner join read_parquet('{DEMO}/data/products.parquet') using (product_id)
        where need_state not like '%Coupon%'
        group by all order by all
        """
    ).pl()
    sales = sales.with_columns(period_start=period_start(pl.col("sold_on"), "two_weeks"))
    for category in sorted(sales["category"].unique()):
        whole = panel(sales, str(category))
        first, second = halves(whole)
        clusters = first_half_clusters(first, str(category), settings)
        known = [store for store in whole.stores if store in clusters]
        part = whole.take(known)
        reason = too_little(*halves(part))
        if reason is not None:
            say(f"{category}: {reason}")
            continue
        until = second.starts[0].replace(year=second.starts[0].year - 1)
        verdicts = segment_validity(part, str(category), [Grouping("segments", clusters, until)])
        for text in verdicts["explanation"]:
            say(text)
        say(f"  groups of the first half: {len(set(clusters.values()))}, stores: {len(known)}")
        _, sums = segment_opportunity(part, str(category), dict.fromkeys(known, "chain"), seed=0)
        if len(set(clusters.values())) > 1:
            products = best_sellers(str(category), N_PRODUCTS)
            ranking = product_ranking(products, str(category), clusters)
            say("  " + ranking["explanation"].item())
        say("  by two-week blocks:      " + sums["explanation"][-1])
        groups = pl.lit(ORIGIN) + pl.duration(days=14 * pl.col("household_group"))
        units = panel(sales.with_columns(period_start=groups), str(category)).take(known)
        _, sums = segment_opportunity(units, str(category), dict.fromkeys(known, "chain"), seed=0)
        say("  by groups of households: " + sums["explanation"][-1])


def main() -> None:
    """Run the parts that are named."""
    parts: dict[str, list[Callable[[], None]]] = {
        "simulations": [validity, null_room, placebo_tests, costs],
        "validity": [validity],
        "room": [null_room],
        "tests": [placebo_tests],
        "costs": [costs],
        "journey": [journey],
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=list(parts))
    for run in parts[parser.parse_args().part]:
        run()


if __name__ == "__main__":
    main()
