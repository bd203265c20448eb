#!/usr/bin/env bash
# Resolve the lock files: names, versions and hashes for Python 3.11 to 3.13, no addresses.
# The largest set is resolved first and constrains the others, so all of them agree.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    uv pip compile pyproject.toml --quiet --universal --generate-hashes --python-version 3.11 \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-strip-extras "$@"
}

constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
compile --extra dev --extra connect --extra demo --extra lineage --output-file requirements-dev.txt
sed -E 's/^([A-Za-z0-9_.-]+)\[[^]]*\]/\1/; /--hash/d; s/ \\$//' requirements-dev.txt > "$constraints"
compile --constraint "$constraints" --extra connect --output-file requirements-connect.txt
compile --constraint "$constraints" --extra demo --output-file requirements-demo.txt
compile --constraint "$constraints" --extra lineage --output-file requirements-lineage.txt
compile --constraint "$constraints" --output-file requirements.txt
