"""Resolve the lock files: names, versions and hashes for Python 3.11 to 3.13, no addresses.

All packages are resolved together, so the files agree. Each file starts with a reference to the one
before it and lists what it adds: `requirements.txt` is what a build needs,
`requirements-extras.txt` adds connections to other systems, the demo and OpenLineage,
`requirements-engine.txt` the client of a Spark Connect engine, and `requirements-dev.txt` the tools
for tests and checks. `requirements-uv.txt` is uv alone, by which
the others are installed. Locked versions stay unless `pyproject.toml` forbids them;
`scripts/lock.py --upgrade` resolves the newest ones.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
UV: Final = Path(sys.executable).with_name("uv")
#: Lock files from the smallest to the largest set, with the extras of `pyproject.toml` they add.
LOCK_FILES: Final = {
    "requirements.txt": (),
    "requirements-extras.txt": ("extras",),
    "requirements-engine.txt": ("extras", "engine"),
    "requirements-dev.txt": ("extras", "engine", "dev"),
}
UV_LOCK_FILE: Final = "requirements-uv.txt"
#: A package with its hashes, as uv writes it.
_ENTRY: Final = re.compile(r"^[\w.-]+(?:\[.*?\])?==.*(?:\n    --hash=.*)+\n", re.MULTILINE)


def resolved(
    extras: tuple[str, ...], known: str, constraints: str, options: list[str]
) -> list[str]:
    """Entries of everything that the project needs with some extras.

    Parameters
    ----------
    extras
        Extras of `pyproject.toml`.
    known
        Text of lock files whose versions are kept where possible.
    constraints
        Lines that limit versions.
    options
        Further options of `uv pip compile`.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "lock.txt")
        output.write_text(known)
        limits = Path(folder, "constraints.txt")
        limits.write_text(constraints)
        command = [str(UV), "pip", "compile", "pyproject.toml", "--quiet", "--universal"]
        command += ["--generate-hashes", "--python-version", "3.11", "--no-strip-extras"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command += [argument for extra in extras for argument in ("--extra", extra)]
        command += ["--constraint", str(limits), "--output-file", str(output), *options]
        subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
        return _ENTRY.findall(output.read_text())


def pins(entries: list[str]) -> str:
    """Names, versions and markers of entries, without extras and hashes, as constraints."""
    lines = [entry.partition(" \\\n")[0] for entry in entries]
    return "".join(re.sub(r"^([\w.-]+)\[.*?\]", r"\1", line) + "\n" for line in lines)


def main() -> int:
    """Write the lock files; arguments are passed on to uv."""
    paths = [PROJECT / name for name in LOCK_FILES]
    known = "".join(path.read_text() for path in paths if path.is_file())
    known = "".join(_ENTRY.findall(known))
    *smaller, largest = LOCK_FILES.values()
    everything = resolved(largest, known, "", sys.argv[1:])
    sets = [resolved(extras, pins(everything), pins(everything), []) for extras in smaller]
    before: list[str] = []
    reference = ""
    for path, entries in zip(paths, [*sets, everything], strict=True):
        added = [entry for entry in entries if entry not in before]
        path.write_text(reference + "".join(added))
        before += added
        reference = f"-r {path.name}\n"
    uv = [entry for entry in everything if entry.startswith("uv==")]
    (PROJECT / UV_LOCK_FILE).write_text("".join(uv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
