# Token Monitor. `make help` lists what there is. Each target does the set-up that it needs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
BENCH_STAMP := $(VENV)/.set-up-bench
# Debian packages that the tests use: promtool and Prometheus, Alertmanager, a browser for the status page.
PACKAGES := prometheus prometheus-alertmanager chromium
ARGS ?=
MINUTES ?= 60
KILLS ?= 50
TESTS ?= tests

.PHONY: help setup packages tools demo test long quick fuzz audit lint types layers simulate bench bench-short kills soak docs chart screenshots lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Make .venv from requirements with hashes
$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { scripts/packages python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

packages: ## Install the Debian packages that the tests use (root), or say what is missing
	@scripts/packages $(PACKAGES)

tools: ## Build helm 3, helm 4 and actionlint for the chart's tests (needs Go)
	@scripts/tools

demo: setup ## The main job, embedded: no Kubernetes, no Argo CD (ARGS=--once ends by itself)
	@$(BIN)/token-monitor demo $(ARGS)

test: setup packages tools lint types layers ## All checks and tests (under 10 minutes)
	$(BIN)/pytest -m "not long" -n 2 --dist loadgroup $(TESTS)

long: setup packages ## The tests that take longer: deliberate bugs, processes that are killed, shards
	$(BIN)/pytest -q -m long -n 2 --dist loadgroup $(TESTS)

quick: setup ## Only the tests that take a moment
	$(BIN)/pytest -q -m "not slow" -n 2 --dist loadgroup $(TESTS)

fuzz: setup ## Feed every parser bent input, for a quarter of an hour or so (ARGS="-k journals" for one)
	$(BIN)/pytest -q -n 2 --dist worksteal --hypothesis-profile=fuzz -p no:cacheprovider $(ARGS) \
	  tests/hostile tests/config/test_arbitrary_input.py tests/simulator/test_any_request.py

audit: ## Look up known vulnerabilities of the dependencies (needs the network; says so where there is none)
	@PYTHON=$(PYTHON) STRICT=$(STRICT) scripts/audit

lint: setup ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Static types, strict
	$(BIN)/mypy

layers: setup ## Imports go downward only
	$(BIN)/lint-imports

SEEDS ?= 200
FROM ?= 0
simulate: setup ## Play the service in virtual time: SEEDS=1000 FROM=0, one with its trace: SEED=123 [BUG="..."], months: DAYS=90
	$(BIN)/python -m simulation --seeds $(SEEDS) --from $(FROM) $(if $(SEED),--seed $(SEED)) $(if $(DAYS),--days $(DAYS)) $(if $(BUG),--bug "$(BUG)") $(ARGS)

bench: $(BENCH_STAMP) ## Measure what the product costs: table, and JSON in build/bench (ARGS="cpu --short")
	@scripts/packages prometheus-blackbox-exporter
	@$(BIN)/python -m bench $(ARGS)

bench-short: ## The same in a minute a bench, less exact
	@$(MAKE) --no-print-directory bench ARGS="--short $(ARGS)"

kills: setup ## SIGKILL the real process over and over, at any moment: no key is lost (KILLS=50)
	KILLS=$(KILLS) $(BIN)/pytest -q tests/faults/test_kills.py

soak: $(BENCH_STAMP) ## The real service among all that befalls it, for long: memory and files stay flat (MINUTES=60)
	@$(BIN)/python -m bench.soak --minutes $(MINUTES)

$(BENCH_STAMP): $(STAMP) requirements/bench.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

docs: setup ## Make what is made from code: documents, pictures, alert rules, dashboards, the chart's schema and README
	$(BIN)/python scripts/docs.py
	$(BIN)/python -m scripts.licences
	$(BIN)/python scripts/architecture.py
	$(BIN)/python scripts/rules.py
	$(BIN)/python -m scripts.dashboards
	$(BIN)/python scripts/chart.py

chart: setup ## Make the chart's schema, README and copies of rules and dashboards
	$(BIN)/python scripts/chart.py

screenshots: setup packages ## Make the pictures of the README, and all others in build/screenshots
	README_IMAGES=docs/images $(BIN)/pytest -q tests/page/test_screenshots.py

lock: ## Compile requirements/*.txt (with hashes, without index addresses) anew
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/base.txt
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml requirements/dev.in -c requirements/base.txt -o requirements/dev.txt
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt

clean: ## Remove what was made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
