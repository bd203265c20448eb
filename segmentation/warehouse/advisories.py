"""Known vulnerabilities of the locked packages, from advisories on disk.

Nothing is asked over a network: the advisories are records of the Open Source Vulnerability format
(https://ossf.github.io/osv-schema/), as a folder of JSON files or as the ZIP archive that the OSV
database publishes for the ecosystem PyPI.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


def locked_versions(folder: Path) -> dict[str, set[str]]:
    """Versions of each package in the lock files of a folder; a package can have one per Python."""
    versions: dict[str, set[str]] = {}
    for path in sorted(folder.glob("requirements*.txt")):
        for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", path.read_text(), re.MULTILINE):
            versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


def advisories(data: Path) -> Iterator[dict[str, Any]]:
    """Records of a folder or ZIP archive, in the order of their file names."""
    if data.is_dir():
        for path in sorted(data.glob("*.json")):
            yield json.loads(path.read_bytes())
        return
    with zipfile.ZipFile(data) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def is_affected(version: str, affected: dict[str, Any]) -> bool:
    """Whether a version is listed, or lies in a range of versions (the schema's own algorithm)."""
    if version in affected.get("versions", ()):
        return True
    return any(
        _is_in_range(Version(version), part["events"])
        for part in affected.get("ranges", ())
        if part["type"] == "ECOSYSTEM"
    )


def _is_in_range(version: Version, events: list[dict[str, str]]) -> bool:
    """Go through the events in the order of their versions; the last one that applies decides."""
    steps = []
    for event in events:
        for kind, given in event.items():
            try:
                steps.append((Version(given), kind))
            except InvalidVersion:
                continue
    is_inside = False
    for at, kind in sorted(steps):
        if kind == "introduced" and version >= at:
            is_inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            is_inside = False
    return is_inside


def findings(data: Path, versions: dict[str, set[str]]) -> list[str]:
    """One line per locked package and advisory that is not withdrawn."""
    lines = set()
    for record in advisories(data):
        if record.get("withdrawn"):
            continue
        for affected in record.get("affected", ()):
            package = affected.get("package", {})
            name = canonicalize_name(package.get("name", ""))
            if package.get("ecosystem") != "PyPI":
                continue
            lines |= {
                f"{name} {version}: {record['id']} {record.get('summary', '')}".rstrip()
                for version in versions.get(name, ())
                if is_affected(version, affected)
            }
    return sorted(lines)
