# `make up` runs Matchday, `make test` proves it. Both set up what they need in .venv.
.PHONY: up test check replay sim same bench lock manifests clean
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data/football-wyscout
ARGS ?=
# What the container file installs is what was tested: parts of the one lock.
PART_OF_LOCK := --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
# Test files are run at once by as many processes as there are cores; 0: by one, which shows what is printed.
WORKERS ?= auto
# Tests start hundreds of processes; where this was set, each of them would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make up [ARGS='--port 8001 --speed 10']   run the platform on http://127.0.0.1:8000"
	@echo "make test                                 all tests"
	@echo "make check                                tests, lint, types, architecture"
	@echo "make replay [DATA=folder] [ARGS=...]      real matches through the platform, in seconds"
	@echo "make sim                                  two hundred seeded worlds with faults, every invariant checked"
	@echo "make same PYTHONS='python3.12 ...'        the same worlds under other Pythons, compared"
	@echo "make bench [ARGS=push]                    the figures in docs/performance.md"
	@echo "make lock                                 pin the dependencies anew"
	@echo "make manifests                            build the Kubernetes objects of deploy/ (needs kubectl)"

# Set up anew whenever the pinned dependencies change.
$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Matchday needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: trying to install it (or do so yourself: apt-get install python3-venv)"; \
	  apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }
	@echo "Installing the pinned dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

up: $(VENV)/ready
	@exec $(BIN)/matchday up $(ARGS)

test: $(VENV)/ready
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

replay: $(VENV)/ready
	$(BIN)/matchday replay $(DATA) --bettors 300 $(ARGS)

sim: $(VENV)/ready
	$(BIN)/matchday sim --seeds 1-200 $(ARGS)

same: $(VENV)/ready
	@found=; for python in $(PYTHONS); do \
	  folder=$(VENV)/pythons/$$($$python -c 'import platform; print(platform.python_version())') || exit 1; \
	  $$python -m venv $$folder || exit 1; \
	  $$folder/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock || exit 1; \
	  found=$$found:$$folder/bin/python; \
	done; TEST_PYTHONS=$${found#:} $(BIN)/pytest tests/sim/test_same_everywhere.py $(ARGS)

bench: $(VENV)/ready
	$(BIN)/matchday bench $(ARGS)

lock: $(VENV)/ready
	uv pip compile pyproject.toml --extra cluster --extra cloud --extra trace --extra dev --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-header --no-annotate --quiet -o requirements.lock
	uv pip compile pyproject.toml --extra cluster --extra cloud --extra trace $(PART_OF_LOCK) -o deploy/requirements.lock
	echo hatchling | uv pip compile - $(PART_OF_LOCK) -o deploy/build.lock

manifests:
	cd deploy/kubernetes && for of in engines/development engines/production rooms/development rooms/production scaler/production; do \
	  kubectl kustomize $$of > rendered/$$(echo $$of | tr / -).yaml || exit 1; done; \
	find engines rooms scaler -type f | LC_ALL=C sort | xargs sha256sum > rendered/sources.sha256

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
