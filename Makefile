# Chartline. `make help` lists the commands; every command sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Chartline needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-test: pyproject.toml $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

.PHONY: demo test check bench bench-peers fuzz evals format help
demo: $(VENV)/installed  ## load the fixtures, ask, draft, and serve the web app until Ctrl-C
	@$(BIN)/chartline demo

test: $(VENV)/installed-test  ## all tests, on a Postgres of their own
	@$(BIN)/pytest

check: $(VENV)/installed-test  ## ruff, mypy --strict, import contracts, house tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest tests/house

bench: $(VENV)/installed-test  ## measure on this machine; needs CHARTLINE_REAL_DATA
	@$(BIN)/python -m bench

bench-peers: $(VENV)/installed-test  ## the same transactions on a peer from PyPI, in the same run
	@$(BIN)/python -m bench.peers

fuzz: $(VENV)/installed-test  ## five minutes of schemathesis against the OpenAPI page; no answer may be a 5xx
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@PYTHONPATH=. $(BIN)/python tools/fuzz.py

evals: $(VENV)/installed-test  ## the assistant's figures in one table
	@$(BIN)/pytest tests/evals -s

format: $(VENV)/installed-test  ## put the code into the house's form
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'
