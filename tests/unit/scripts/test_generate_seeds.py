"""The example data in the repository is what its script writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "generate_seeds.py"


def test_the_seeds_are_what_the_script_writes() -> None:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_changed_seed_is_named(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(SCRIPT), "--output", str(tmp_path)], check=True, capture_output=True
    )
    seeds = SCRIPT.parents[1] / "seeds"
    assert (tmp_path / "seeds" / "raw_sales.csv").read_bytes() == (
        seeds / "raw_sales.csv"
    ).read_bytes()
    with (tmp_path / "seeds" / "raw_products.csv").open("a") as file:
        file.write("X,X,X,X\n")
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--check", "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "raw_products.csv" in run.stdout + run.stderr
