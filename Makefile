# Every target sets up .venv if it is missing or older than what it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := test
.PHONY: demo test lint docs bench setup

setup: $(STAMP)

# torch comes first and builds are not isolated: an isolated build would fetch a torch of its own.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) pip setuptools wheel ninja
	$(PIP) torch
	$(PIP) --no-build-isolation --editable '.[select,dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/l0gates select --demo breast-cancer

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b html docs docs/_build/html

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH)
