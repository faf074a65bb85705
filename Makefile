# Two commands: `make reproduce` and `make test`. Both set up .venv first.

SHELL := /bin/bash
PYTHON ?= python3
CORES ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || sysctl -n hw.ncpu)
CONFIG ?= config/shapes.yaml
BIN := .venv/bin

# More threads than cores, or spinning ones, slow everything down on a shared machine.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: reproduce test lint clean

# One run at a time: the lock is held by the jobs, too, so that those of a killed run are waited
# for; once they are gone, what the killed run left locked is unlocked.
RUN := snakemake --cores $(CORES) --configfile $(CONFIG)
SOLO := $(if $(shell command -v flock),flock --nonblock --conflict-exit-code 75 .reproduce.lock)

reproduce: .venv/installed
	@$(SOLO) sh -c '$(RUN) --quiet all --unlock && $(RUN) --rerun-incomplete --show-failed-logs' \
	  || { [ $$? != 75 ] || echo "jobs of another run are at work in this folder: wait for them or end them"; exit 1; }
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
