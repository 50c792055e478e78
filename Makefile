# What a fresh machine needs: python3 ≥ 3.11 with venv and pip, and make. Setting up again is quick: it happens only when
# pyproject.toml has changed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PORT   ?= 8080
PYTHON27 ?= python2.7
AUTOBAHN := .autobahn

.PHONY: demo test soak fuzz check format autobahn clean help

help:           ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "feedbridge needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)  # without pip it was left half made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY)  ## both vendors' simulators and a bridge in front of them (PORT=8080)
	@exec $(BIN)/feedbridge demo --port $(PORT)

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest

soak: $(READY)  ## a bridge in a storm of faults at both ends (MINUTES=10, SEED=1)
	$(BIN)/python -m tests.soak.storm --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

fuzz: $(READY)  ## mutated inputs for whatever reads what others wrote (MINUTES=5 for all, SEED=, TARGET=, SESSION=, INPUTS= a target)
	$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) $(if $(TARGET),--target $(TARGET)) $(if $(SESSION),--session $(SESSION)) $(if $(INPUTS),--inputs $(INPUTS))

check: $(READY) ## ruff, mypy strict, the architecture test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The suite is Python 2 code; its dependencies forget to make `zope` a package.
$(AUTOBAHN)/suite/.ready:
	$(PYTHON27) -m pip install --quiet --disable-pip-version-check --target $(AUTOBAHN)/suite autobahntestsuite==0.8.2
	@touch $(AUTOBAHN)/suite/zope/__init__.py $@

autobahn: $(READY) $(AUTOBAHN)/suite/.ready ## WebSocket conformance by the Autobahn suite, into the docs (PYTHON27=python2.7)
	$(BIN)/python -m tests.autobahn --python $(PYTHON27) --suite $(AUTOBAHN)/suite --into $(AUTOBAHN)/reports

clean:          ## forget the environment and caches
	rm -rf $(VENV) $(AUTOBAHN) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
