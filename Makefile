# Everything from nothing: Python 3.11 or newer and make are all that is needed. More is used where it is there:
# Docker, or Java 17 and Maven (a real Kafka for the tests), Java 21 (a schema registry), nginx, promtool, Chromium.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
WORLDS ?= 1000
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format simulate chaos bench image test-chart test-cluster docs requirements clean

help: ## these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"found Python {sys.version.split()[0]}, expected 3.11 or newer; name one with make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: install your system's python3-venv package" >&2; exit 1; }

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

install: $(VENV)/.runtime ## .venv with the command airship-connector in it
	@echo "installed: $(BIN)/airship-connector"

demo: $(VENV)/.runtime ## the whole job on an embedded broker and the sandbox
	$(BIN)/airship-connector demo

lint: $(VENV)/.dev ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## all checks and tests
	$(BIN)/python -m pytest -q -m "not chaos" --timeout 300 tests

format: $(VENV)/.dev ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: $(VENV)/.dev ## seeded worlds: make simulate WORLDS=10000 SEED=1
	$(BIN)/python -m tests.simulation --worlds $(WORLDS) --seed $(SEED)

chaos: $(VENV)/.dev ## real processes killed on a real broker
	$(BIN)/python -m tests.chaos

bench: $(VENV)/.dev ## what an event costs, beside the yardsticks
	$(BIN)/python -m bench

image: ## the container image
	docker build --tag airship-connector .

test-chart: $(VENV)/.dev ## the Helm chart's tests
	$(BIN)/python -m pytest -q tests/chart

test-cluster: $(VENV)/.dev ## the chart in the cluster that KUBECONFIG names
	$(BIN)/python -m pytest -q tests/chart -m cluster

docs: $(VENV)/.dev ## what is generated: schemas and reference pages
	$(BIN)/python -m connector.telemetry.metrics_page docs/metrics.md

requirements: $(VENV)/.dev ## pin the requirements anew, with hashes
	$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make requirements" pyproject.toml --all-extras -o requirements/runtime.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make requirements" requirements/build.in -o requirements/build.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make requirements" requirements/dev.in -o requirements/dev.txt

clean: ## remove what was built; not the cache of downloaded parts
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
