"""Mutation tests: change the code in one place at a time and see whether a test fails.

Each module is judged by its own tests only, in a copy of the project under `target/mutants`.
mutmut makes the mutants and runs, for each of them, the tests that call the changed function. It
leaves f-strings alone; as most of `inputs` is SQL in f-strings, operators of SQL are changed too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import libcst as cst
from mutmut.mutation import mutators
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

PROJECT: Final = Path(__file__).resolve().parents[1]
WORK: Final = PROJECT / "target" / "mutants"
#: Modules, and further tests of them beside those of `tests/unit/<package>/test_<module>.py`.
MODULES: Final[dict[str, tuple[str, ...]]] = {
    "fitting/selection": (),
    "fitting/model": (),
    "fitting/cluster_search": (),
    "fitting/criterion": (),
    "fitting/valleys": (),
    "fitting/kmeans": (),
    "segments/merging": ("segments/test_cohesion.py", "segments/test_peers.py"),
    "inputs/totals": (),
    "inputs/twice": (),
    "inputs/scales": (),
    "inputs/statuses": (),
    "inputs/losses": (),
    "inputs/number_formats": (),
    "inputs/date_formats": (),
    "inputs/ids": (),
    "inputs/checks": (),
    "inputs/select": (),
}
#: A module with more mutants is judged by a random sample of them, always the same one, unless
#: `--sample` gives another size.
SAMPLE: Final = 200
_SETTINGS: Final = """
[tool.mutmut]
source_paths = ["segmentation"]
only_mutate = [{module}]
also_copy = ["dbt_project.yml", "docs", "macros", "models", "scripts", "seeds"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-m", "not slow"]
pytest_add_cli_args_test_selection = {tests}
timeout_multiplier = 4.0
timeout_constant = 15.0
process_isolation = "forkserver"
"""
#: To find a failing example is enough; to look for the smallest one takes minutes.
_EXAMPLES: Final = """
hypothesis.settings.register_profile(
    "mutants",
    hypothesis.settings.get_profile("unit"),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("mutants")
"""
#: Operators of SQL, and what they are changed to.
_SQL: Final = tuple(
    (re.compile(pattern), other)
    for pattern, other in (
        (r"(?<!between )\band\b", "or"),
        (r"\bor\b(?! replace)", "and"),
        (">=", ">"),
        ("<=", "<"),
        ("(?<= )>(?= )", ">="),
        ("(?<= )<(?= )", "<="),
        ("(?<= )=(?= )", "<>"),
        ("<>", "="),
        (r"(?<= )\+(?= )", "-"),
        ("(?<= )-(?= )", "+"),
        (r"(?<= )\*(?= )", "/"),
        ("(?<= )/(?= )", "*"),
        ("is not null", "is null"),
        ("is null", "is not null"),
        ("not in", "in"),
        (r"\bmin\(", "max("),
        (r"\bmax\(", "min("),
        (r"\bdistinct\b", ""),
        ("left join", "inner join"),
        (r"\bdesc\b", "asc"),
        (r"(?<=filter \()", "true or "),
    )
)
_IS_SQL: Final = re.compile(r"\b(select|from|where|group by|having|case when|count\(|sum\()")
#: Exit codes of pytest in mutmut's records; all others are crashes and endless loops.
_SURVIVED: Final = (0, 5, 33)
_FAILED: Final = (1, 2, 3)


def changed_sql(node: cst.FormattedString) -> Iterator[cst.FormattedString]:
    """Copies of an f-string with SQL, each with one operator changed."""
    texts = [part for part in node.parts if isinstance(part, cst.FormattedStringText)]
    if not any(_IS_SQL.search(part.value) for part in texts):
        return
    for part in texts:
        for pattern, other in _SQL:
            for found in pattern.finditer(part.value):
                value = part.value[: found.start()] + other + part.value[found.end() :]
                changed = part.with_changes(value=value)
                yield node.with_changes(parts=[changed if p is part else p for p in node.parts])


def prepared(module: str) -> Path:
    """Copy the project to a folder in which mutmut changes one module."""
    folder = WORK / module
    shutil.rmtree(folder, ignore_errors=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=PROJECT, text=True).splitlines():
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    package, _, name = module.partition("/")
    tests = [f"tests/unit/{one}" for one in (f"{package}/test_{name}.py", *MODULES[module])]
    text = _SETTINGS.format(module=f'"segmentation/{module}.py"', tests=json.dumps(tests))
    with (folder / "pyproject.toml").open("a") as settings:
        settings.write(text)
    with (folder / "tests/unit/conftest.py").open("a") as conftest:
        conftest.write(_EXAMPLES)
    return folder


def mutants(module: str, folder: Path, sample: int) -> list[str]:
    """Names of the mutants of a module, or of a random sample."""
    path = Path("segmentation", f"{module}.py")
    with contextlib.chdir(folder):  # mutmut reads its settings there
        made = mutate_file_contents(str(path), path.read_text(), None, None)
    names = [get_mutant_name(path, name) for name in made.mutant_names]
    return sorted(random.Random(0).sample(names, min(sample, len(names))))  # noqa: S311


def run(module: str, sample: int) -> None:
    """Test the mutants of a module, and print the score and the survivors."""
    folder = prepared(module)
    names = mutants(module, folder, sample)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, __file__, "run", "--max-children", "2", *names]
    with (folder / "mutmut.log").open("w") as log:
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=log, stderr=log)
    records = json.loads((folder / f"mutants/segmentation/{module}.py.meta").read_text())
    codes = {name: records["exit_code_by_key"][name] for name in names}
    survivors = [name for name, code in codes.items() if code in _SURVIVED]
    failed = sum(code in _FAILED for code in codes.values())
    crashed = len(names) - failed - len(survivors)
    total = len(records["exit_code_by_key"])
    score = 1 - len(survivors) / len(names)
    sys.stdout.write(
        f"{module}: {score:.1%} of {len(names)} (of {total}) mutants found,"
        f" {failed} by a test, {crashed} by a crash or an endless loop\n"
    )
    for name in survivors:
        with contextlib.chdir(folder):
            path = Path("segmentation", f"{module}.py")
            difference = get_diff_for_mutant(name, path=path).splitlines()[2:]
        changed = [line for line in difference if line.startswith(("-", "+"))]
        sys.stdout.write("\n".join([f"\n{name}", *changed, ""]))
    sys.stdout.flush()


def main() -> int:
    """Test the modules given as arguments, or all; `run` and what follows is for mutmut."""
    operators = cast("list[object]", mutators.mutation_operators)
    operators.append((cst.FormattedString, changed_sql))
    if sys.argv[1:2] == ["run"]:
        from mutmut.__main__ import cli  # noqa: PLC0415 (it reads the settings of the folder)

        cli()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="module", help="all if none is given")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants of a module, at most")
    arguments = parser.parse_args()
    for module in arguments.modules or MODULES:
        run(module, arguments.sample)
    return 0


if __name__ == "__main__":
    sys.exit(main())
