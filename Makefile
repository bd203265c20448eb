.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
WORKERS ?= 2
# vars of dbt: YAML, or a file with it
VARS ?= {}
VERBOSE ?=
TESTS ?=
STARTS_ON ?=
OPTIONS ?=
INPUTS ?=
MODULES ?=
WRITE ?=
PORT ?= 8080
OSV_DATA ?=
MINUTES ?= 10
CANARY := $(CURDIR)/target/canary
LINEAGE_EVENTS := $(CURDIR)/target/openlineage.jsonl
DEMO_DATABASE := $(CURDIR)/complete_journey.duckdb
DEMO_PICTURES := $(CURDIR)/target/demo/pictures

# A recipe takes the vars from the environment, so that their quotes need no care here.
export VARS
READ_VARS = if [ -f "$$VARS" ]; then vars=$$(cat "$$VARS"); else vars=$$VARS; fi; \
	case $$VARS in *.yml|*.yaml) [ -f "$$VARS" ] || { echo "VARS: there is no file $$VARS"; exit 2; };; esac

# dbt finds the project from any working directory
export DBT_PROJECT_DIR := $(CURDIR)
export DBT_PROFILES_DIR := $(CURDIR)
export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help build check-data test test-fast test-spark check docs report demo sql export publish-postgres publish-lake publish-engine verify lineage lock audit stress fuzz canary mutants bench bench-large bench-recipes bench-evaluation bench-structure bench-merging bench-engine matched-stores doctor extras engine clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

build: $(VENV)/.installed  ## Build the store segments (VARS=my.yml, VERBOSE=1 shows all of dbt's output)
	@$(READ_VARS); python scripts/build.py $(if $(VERBOSE),,--quiet) build --vars "$$vars" \
		|| { echo "The build failed; logs/dbt.log has all messages of dbt."; exit 1; }

check-data: $(VENV)/.installed  ## Check own files without building (VARS=my.yml, or INPUTS="sales=... products=...")
	@$(READ_VARS); python scripts/check_data.py --vars "$$vars" $(INPUTS) $(if $(WRITE),--write $(WRITE))

test: $(VENV)/.installed-dev  ## Run every test: dbt, package and end-to-end
	pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-spark: $(VENV)/.installed-dev  ## Test the engine on Apache Spark with a JVM (Java 17, 500 MB for Spark; five minutes)
	@command -v java >/dev/null || { echo "Java is needed, for example the package openjdk-17-jre-headless."; exit 1; }
	@[ -d target/spark/pyspark ] || pip install --quiet --no-deps --target target/spark --require-hashes -r requirements-spark.txt
	STORE_SEGMENTS_SPARK="$(CURDIR)/target/spark/pyspark" pytest tests/integration/test_engine_on_spark.py

test-fast: $(VENV)/.installed-dev  ## Run the tests of single functions (two minutes)
	pytest -n $(WORKERS) -m "not slow" tests/unit

check: $(VENV)/.installed-dev  ## Lint and types: ruff, mypy, import layers, sqlfluff, dbt metadata
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	dbt --quiet parse --target-path target/check
	sqlfluff lint models analyses tests/dbt
	COLUMNS=240 dbt-bouncer run --config-file dbt-bouncer.yml

docs: $(VENV)/.installed  ## Make the docs site with the pictures and show it in the browser (PORT=8080)
	python scripts/docs.py --serve --port $(PORT)

report: $(VENV)/.installed  ## Write the report of the segments to target/report.html
	python scripts/report.py

matched-stores: $(VENV)/.installed  ## Give test stores controls and measure a test (TESTS=ids.txt STARTS_ON=2025-03-03 OPTIONS="--category Snacks")
	@python scripts/matched_stores.py "$(TESTS)" "$(STARTS_ON)" $(OPTIONS)

sql: $(VENV)/.installed-extras  ## Open a SQL prompt on the published build, with ready queries
	@python scripts/sql.py

export: $(VENV)/.installed-extras  ## Write an Excel workbook and CSV files of all marts to target/export
	@python scripts/publish.py export

publish-postgres: $(VENV)/.installed-extras  ## Publish the marts to PostgreSQL (PGHOST, PGDATABASE, ...)
	@python scripts/publish.py postgres

publish-lake: $(VENV)/.installed-extras  ## Publish the marts as Parquet files (STORE_SEGMENTS_PARQUET=folder or URL)
	@python scripts/publish.py lake

publish-engine: $(VENV)/.installed-engine  ## Publish the marts as tables of the engine, beside the sales (VARS=my.yml)
	@$(READ_VARS); STORE_SEGMENTS_VARS="$$vars" python scripts/publish.py engine

demo: $(VENV)/.installed-extras  ## Segment a real grocery panel, The Complete Journey
	python scripts/prepare_complete_journey.py
	STORE_SEGMENTS_DB="$(DEMO_DATABASE)" STORE_SEGMENTS_PICTURES="$(DEMO_PICTURES)" \
		dbt build --target-path target/demo --vars "$$(cat demo/vars.yml)"

lineage: $(VENV)/.installed-extras  ## dbt build that also writes OpenLineage events, to target/openlineage.jsonl
	@mkdir -p target && rm -f "$(LINEAGE_EVENTS)"
	@$(READ_VARS); OPENLINEAGE__TRANSPORT='{"type": "file", "log_file_path": "$(LINEAGE_EVENTS)", "append": true}' \
		OPENLINEAGE_NAMESPACE=store_segments dbt-ol build --vars "$$vars"

verify: $(VENV)/.installed  ## Prove on your data that the same inputs give the same tables (VARS=my.yml)
	@$(READ_VARS); python scripts/verify.py --vars "$$vars"

extras: $(VENV)/.installed-extras  ## Install the packages for connections, the demo and OpenLineage

engine: $(VENV)/.installed-engine  ## Install the client of a Spark Connect engine (docs/scaling.md)

doctor:  ## Check versions, paths and permissions, and list what is missing
	@"$$(command -v "$(BIN)/python" || command -v "$(PYTHON)")" scripts/doctor.py

lock: $(VENV)/.installed-dev  ## Resolve the hashed lock files for all supported Pythons (UPGRADE=1 for newer versions)
	python scripts/lock.py $(if $(UPGRADE),--upgrade)

audit: $(VENV)/.installed  ## List locked packages with known vulnerabilities (OSV_DATA=path/to/all.zip)
	python scripts/audit.py --data "$(OSV_DATA)"

stress: $(VENV)/.installed-dev  ## Kill builds at 32 points, and let writes fail at 20 (20 minutes)
	STORE_SEGMENTS_STRESS=1 pytest -n $(WORKERS) tests/integration/test_crashes.py

fuzz: $(VENV)/.installed-dev  ## Check random files with known money (MINUTES=10), some of them through dbt too
	python -m tests.fuzz_intake --minutes $(MINUTES) --staging 50

canary: $(VENV)/.installed-dev  ## Test and build with the newest packages that pyproject.toml allows (ten minutes)
	uv venv --quiet --clear --python "$(BIN)/python" "$(CANARY)"
	uv pip install --quiet --system-certs --python "$(CANARY)/bin/python" --editable '.[dev,extras,engine]'
	uv pip freeze --quiet --python "$(CANARY)/bin/python" > "$(CANARY)/versions.txt"
	PATH="$(CANARY)/bin:$$PATH" pytest -n $(WORKERS) -m "not slow" tests/unit \
		--ignore tests/unit/scripts/test_doctor.py  # it finds versions that are not the locked ones
	PATH="$(CANARY)/bin:$$PATH" STORE_SEGMENTS_DB="$(CANARY)/canary.duckdb" STORE_SEGMENTS_PICTURES="$(CANARY)/pictures" \
		dbt --quiet build --target-path "$(CANARY)/dbt"

bench: $(VENV)/.installed  ## Measure speed and memory against named peers, benchmarks/RESULTS.md (15 minutes)
	python -m benchmarks.suite

bench-large: $(VENV)/.installed  ## The same at the big sizes (about 40 minutes, 6 GB of disk)
	python -m benchmarks.suite --large

bench-recipes: $(VENV)/.installed-extras  ## Measure the recipes of docs/decisions on planted data (20 minutes)
	python -m benchmarks.recipes planted

bench-evaluation: $(VENV)/.installed  ## Print the simulations of docs/evaluation.md (5 minutes)
	python -m benchmarks.evaluation simulations

bench-structure: $(VENV)/.installed  ## Measure how often planted groups are found, fresh seeds (40 minutes)
	python -m benchmarks.structure --draws 8 --baseline-draws 1

bench-merging: $(VENV)/.installed  ## Measure how segments match planted cells and hold still, fresh seed (3 minutes)
	python -m benchmarks.merging

bench-engine: $(VENV)/.installed-dev  ## Measure sums and fits on Sail, and on Spark where STORE_SEGMENTS_SPARK names it (30 minutes)
	python -m benchmarks.engine

mutants: $(VENV)/.installed-dev  ## Count changes of the code that no test notices (MODULES="fitting/selection", all in hours)
	nice python scripts/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(MODULES)

clean:  ## Remove the environment and build products; databases stay, models in them are history
	rm -rf $(VENV) target logs demo/data assets/pictures .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/activate:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@printf '\nexport DBT_PROJECT_DIR="%s" DBT_PROFILES_DIR="%s"\n' "$(CURDIR)" "$(CURDIR)" >> $@

# uv installs the locked packages in a fraction of pip's time. Without it (no wheel for this machine,
# or an index that only pip is configured for) pip installs the same files.
define install
	@if [ -x "$(BIN)/uv" ] && uv pip install --quiet --system-certs --python "$(BIN)/python" --compile-bytecode --require-hashes -r $(1); then :; else \
		echo "uv cannot install the packages here; pip does it instead (a few minutes) ..."; \
		pip install --quiet --require-hashes -r $(1); \
	fi
endef

$(VENV)/.installed: requirements.txt requirements-uv.txt pyproject.toml | $(VENV)/bin/activate
	@echo "Installing the locked packages into $(VENV) (about a minute, once) ..."
	@pip install --quiet --require-hashes -r requirements-uv.txt 2>/dev/null || true
	$(call install,requirements.txt)
	@pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-extras: requirements-extras.txt $(VENV)/.installed
	@echo "Installing the packages for connections, the demo and OpenLineage ..."
	$(call install,requirements-extras.txt)
	@touch $@

$(VENV)/.installed-engine: requirements-engine.txt $(VENV)/.installed-extras
	@echo "Installing the client of a Spark Connect engine ..."
	$(call install,requirements-engine.txt)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed-engine
	@echo "Installing the packages for tests and checks ..."
	$(call install,requirements-dev.txt)
	@touch $@
