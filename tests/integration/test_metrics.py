"""The metrics of the semantic layer, asked for through MetricFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from .helpers import REPOSITORY, Built

MF = Path(sys.executable).with_name("mf")


@pytest.fixture(scope="module")
def folder(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `mf` finds the project: it looks for dbt's files below the working directory."""
    folder = tmp_path_factory.mktemp("metrics")
    shutil.copyfile(REPOSITORY / "dbt_project.yml", folder / "dbt_project.yml")
    (folder / "target").mkdir()
    for name in ("manifest.json", "semantic_manifest.json"):
        shutil.copyfile(small_build.project.folder / "target" / name, folder / "target" / name)
    return folder


def test_metrics_are_what_sql_says(small_build: Built, folder: Path) -> None:
    metrics = ["stores", "sales", "sales_per_store"]
    by_category = "store_in_category__category"
    command = [
        *(str(MF), "query", "--metrics", ",".join(metrics), "--group-by", by_category),
        *("--order", by_category, "--csv", "answer.csv"),
    ]
    environment = {
        **os.environ,
        **small_build.project.environment,
        "DBT_PROJECT_DIR": str(folder),
        "DBT_PROFILES_DIR": str(REPOSITORY),
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = pl.read_csv(folder / "answer.csv")
    expected = small_build.project.query(
        """
        select category, sum(n_stores) as stores, sum(sales_amount)::double as sales,
            sum(sales_amount)::double / sum(n_stores) as sales_per_store
        from segments.segment_summary group by category order by category
        """
    )
    assert answer[by_category].to_list() == expected["category"].to_list()
    for metric in metrics:
        assert answer[metric].to_list() == pytest.approx(expected[metric].to_list()), metric
