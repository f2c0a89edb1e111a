# The lab's commands; each builds the environment first if it is missing. README.md says more.
PYTHON ?= python3
PROFILE ?= quick
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.installed
# Two processes, each with one thread.
TESTS := $(RUN) -m pytest -q -n 2 --dist=worksteal

export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup run check test lint lab fresh refresh world model

help: ## show these commands
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18

setup: $(READY) ## make .venv and install everything, if that is not done yet

run: $(READY) ## run all notebooks (PROFILE=smoke, quick or full)
	$(RUN) -m ftlab run --profile $(PROFILE)

check: $(READY) lint ## check the code and run the quick tests
	$(TESTS) -m "not slow"

test: $(READY) lint ## check the code and run all tests
	$(TESTS)

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m mypy

lab: $(READY) ## open JupyterLab on your own copy of the notebooks, in work/
	$(RUN) -m ftlab lab

fresh: $(READY) ## make a new copy in work/ and put the old one aside
	$(RUN) -m ftlab fresh

refresh: $(READY) ## run the notebooks and keep their outputs in notebooks/
	$(RUN) -m ftlab run --refresh

world: $(READY) ## write the world's files in data/ again, bit for bit
	$(RUN) -m ftlab.world

model: $(READY) ## pretrain the base model in data/ again (hours)
	$(RUN) -m ftlab.training.pretraining --processes 2

# The stamp is written last, so that an interrupted installation is taken up again.
$(READY): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here: install Python 3.11 or later, or name one: make PYTHON=..." >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("The lab needs Python 3.11 or later, but $(PYTHON) is %d.%d: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check -r requirements.txt
	@touch $(READY)
