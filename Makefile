# Atrium from a clone: `make run`. Everything is built into .venv; README.md says what each target is for.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet
BUILT := $(VENV)/built
TESTABLE := $(VENV)/testable

# What the extensions and the list of dependencies are made of. All else is Python and is read where it lies.
SOURCES := setup.py setup.cfg pyproject.toml $(wildcard native/*.pyx native/*.pxd benches/*.pyx benches/*.pxd)

# The tests start the server a hundred times; without bytecode each takes a second more.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run build test test-quick bench lint clean

run: $(BUILT)
	@exec $(BIN)/atrium serve --demo $(ARGS)

build: $(BUILT)

test: $(TESTABLE)
	@.ci/need $(PYTHON) browser
	@.ci/need $(PYTHON) database
	$(BIN)/python -m pytest --ignore=tests/browser --ignore=tests/e2e -n 2 --dist worksteal
	$(BIN)/python -m pytest tests/browser tests/e2e

test-quick: $(TESTABLE)
	ATRIUM_TEST_QUICK=1 $(BIN)/python -m pytest --ignore=tests/browser --ignore=tests/e2e -n 4 --dist worksteal $(ARGS)

bench: $(TESTABLE)
	$(BIN)/python -m benches.forward $(ARGS)
	$(BIN)/python -m benches.rooms
	$(BIN)/python -m benches.kpoint
	$(BIN)/python -m benches.s_connector
	$(BIN)/python -m benches.analytics

# The rules are named, so that a newer ruff with other defaults judges a change no differently.
lint: $(TESTABLE)
	$(BIN)/ruff check --line-length 120 --select E4,E7,E9,F,W,I,UP,B,BLE,RUF100 .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f native/*.c native/*.so benches/*.c benches/*.so

# pip is the last thing that a new environment gets, so it stands for a whole one.
$(BIN)/pip:
	@.ci/need $(PYTHON) build
	@$(PYTHON) -m venv $(VENV)

$(BUILT): $(BIN)/pip $(SOURCES)
	@echo "Building Atrium into $(VENV); this takes a minute or two." >&2
	@$(PIP) --editable .
	@touch $@

# The list is read from what is installed: asking pip for atrium[test] could fetch a stranger of that name.
$(TESTABLE): $(BUILT)
	@echo "Installing what the tests need" >&2
	@$(BIN)/python -c 'import importlib.metadata as m; \
		print(*(r.split(";")[0] for r in m.requires("atrium") if "extra" in r), sep="\n")' > $@.txt
	@$(PIP) --requirement $@.txt
	@touch $@
