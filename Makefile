# Two commands: `make reproduce` and `make test`. Both set up .venv first.

SHELL := /bin/bash
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
CONFIG ?= config/shapes.yaml
BIN := .venv/bin

# More threads than cores, or spinning ones, slow everything down on a shared machine.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: reproduce test lint clean

reproduce: .venv/installed
	snakemake --cores $(CORES) --configfile $(CONFIG) --rerun-incomplete
	@cat results/$(notdir $(basename $(CONFIG)))/summary.txt

test: .venv/installed
	pytest

lint: .venv/installed
	ruff check . && ruff format --check . && snakefmt --check Snakefile workflow

.venv/installed: envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "novis needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv .snakemake build
