# Everything from nothing: Python 3.11 or newer and make are all that is needed. More is used where it is there:
# Docker, or Java 17 and Maven (a real Kafka for the tests), Java 21 (a schema registry), nginx, promtool, Chromium.
#
# What is installed is marked by files in .venv, so a second make does nothing that was done before.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
PIN = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make requirements"
PYTEST := $(BIN)/python -m pytest

WORLDS ?= 1000
SEED ?= 1
IMAGE ?= airship-connector
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' connector/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
comma := ,
# The cheap ones first: what is broken is told early.
TESTS := $(wildcard $(addprefix tests/,unit docs fuzz contract simulation chart image integration limits chaos))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test lint format simulate chaos limits bench image sbom licences audit test-chart test-cluster docs requirements clean

help: ## these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "found no Python 3.11 or newer; install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "found Python %d.%d, expected 3.11 or newer; name one with make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "found $(PYTHON) without venv and ensurepip; install them (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.requirements: requirements/runtime.txt requirements/build.txt | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@touch $@

$(VENV)/.package: pyproject.toml $(VENV)/.requirements
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.package
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The chart's linter; where it cannot be had, its test is skipped.
$(VENV)/.checkov: requirements/checkov.txt $(VENV)/.dev
	@if $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/checkov && \
		$(BIN)/uv pip install --quiet --python $(VENV)/checkov/bin/python --require-hashes -r $<; then touch $@; \
		else echo "could not install checkov; going on without" >&2; fi

install: $(VENV)/.package ## .venv with the command airship-connector in it
	@echo "installed: $(BIN)/airship-connector"

demo: $(VENV)/.package ## the whole job on an embedded broker and the sandbox
	@$(BIN)/airship-connector demo

lint: $(VENV)/.dev ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: lint $(VENV)/.checkov ## all checks and tests
	$(PYTEST) -m "not chaos and not cluster" --timeout 300 $(TESTS)

format: $(VENV)/.dev ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: $(VENV)/.dev ## seeded worlds: make simulate WORLDS=10000 SEED=1
	$(BIN)/python -m tests.simulation --worlds $(WORLDS) --seed $(SEED)

chaos: $(VENV)/.dev ## real processes killed on a real broker
	$(BIN)/python -m tests.chaos

limits: $(VENV)/.dev ## millions of events through trouble: memory, pauses, polling
	$(BIN)/python -m tests.limits

bench: $(VENV)/.dev ## what an event costs, beside the yardsticks
	$(BIN)/python -m bench

image: ## the container image: make image IMAGE=name PYTHON_IMAGE=base; docs/image.md has the rest
	DOCKER_BUILDKIT=1 docker build --tag $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		$(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) \
		$(if $(BUILD_IMAGE),--build-arg BUILD_IMAGE=$(BUILD_IMAGE)) \
		$(if $(PIP_CONF),--secret id=pip.conf$(comma)src=$(PIP_CONF)) \
		$(if $(CA_FILE),--secret id=ca.pem$(comma)src=$(CA_FILE)) $(BUILD_OPTIONS) .
	@docker history --format '{{.Size}}	{{.CreatedBy}}' $(IMAGE) | awk '!/^0B/'

sbom: $(VENV)/.dev ## dist/sbom.cdx.json and dist/licences.txt: the parts of an installation
	rm -rf build/installation build/wheels
	$(BIN)/python -m venv --without-pip build/installation
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir build/wheels .
	$(PIP) --python build/installation/bin/python install --require-hashes -r requirements/runtime.txt
	$(PIP) --python build/installation/bin/python install --no-index --no-deps build/wheels/*.whl
	$(BIN)/python -m requirements.parts build/installation/bin/python dist

licences: $(VENV)/.dev ## the licences of all requirements; fails where one is not permitted
	@$(BIN)/python -m requirements.parts $(BIN)/python

audit: $(VENV)/.dev ## known vulnerabilities, asked of the package index or OSV_URL; says so when it cannot
	@$(BIN)/python -m requirements.audit $(if $(OSV_URL),--osv-url $(OSV_URL))

test-chart: $(VENV)/.dev $(VENV)/.checkov ## the Helm chart's tests; make test runs them too
	$(PYTEST) -m "not cluster" tests/chart

test-cluster: $(VENV)/.dev ## the chart in the cluster that KUBECONFIG names
	@test -n "$$KUBECONFIG" || { echo "found no KUBECONFIG, expected the file that names the cluster" >&2; exit 1; }
	$(PYTEST) -m cluster tests/chart

docs: $(VENV)/.dev ## what is generated: schemas and reference pages
	$(BIN)/python -m docs.generate

requirements: $(VENV)/.dev ## pin the requirements anew, with hashes
	$(PIN) pyproject.toml --all-extras --output-file requirements/runtime.txt
	$(PIN) requirements/build.in --output-file requirements/build.txt
	$(PIN) requirements/supply.in --output-file requirements/supply.txt
	$(PIN) requirements/dev.in --output-file requirements/dev.txt
	$(PIN) requirements/checkov.in --output-file requirements/checkov.txt

clean: ## remove what was made here; the cache of downloaded parts stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
