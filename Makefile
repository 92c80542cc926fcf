# On a fresh Debian machine with Python 3.11, as root:
#
#   make demo    show it on a real server, in half a minute
#   make test    set everything up and run the tests that CI runs
#
# Further: make test-long | lint | bench | lock | clean. PYTHON=... names another interpreter;
# ARGS=... goes to pytest, the demo or the benchmark, as in: make test ARGS='tests/journal -x'.

VENV := .venv
BIN := $(VENV)/bin/python -m
ARGS :=
# Directories count as well, so that a deleted file is noticed.
SOURCES := $(shell find src -name __pycache__ -prune -o -print) pyproject.toml README.md

PIP := $(BIN) pip --disable-pip-version-check --quiet
LOCK := $(BIN) uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --quiet --custom-compile-command 'make lock'

TEST_SECONDS := 2280# CI has 40 minutes in all; a run that is too long must say so itself
LONG_TEST_SECONDS := 7200# for one test of the long tier

.PHONY: demo test test-long lint bench lock clean setup-demo setup-test
.NOTPARALLEL:

demo: setup-demo
	$(BIN) standpipe demo $(ARGS)

test: setup-test
	$(BIN) pytest --session-timeout=$(TEST_SECONDS) $(ARGS)

test-long: setup-test
	STANDPIPE_TEST_TIER=long $(BIN) pytest --timeout=$(LONG_TEST_SECONDS) $(ARGS)

lint: $(VENV)/.dev
	$(BIN) ruff check
	$(BIN) ruff format --check
	$(BIN) mypy
	PYTHONPATH=src $(VENV)/bin/python $(VENV)/bin/lint-imports

bench: setup-test
	$(BIN) bench $(ARGS)

# The other two are subsets of the first, in the same versions: one virtual environment serves all targets.
lock: $(VENV)/.dev
	$(LOCK) --extra demo --extra sinks --extra analysis --group dev --output-file requirements/dev.txt $(ARGS)
	$(LOCK) --extra demo --group build --constraint requirements/dev.txt --output-file requirements/demo.txt
	$(LOCK) --constraint requirements/dev.txt --output-file requirements/core.txt
	$(LOCK) --extra sinks --constraint requirements/dev.txt --output-file requirements/sinks.txt
	$(LOCK) --extra analysis --constraint requirements/dev.txt --output-file requirements/analysis.txt

clean:
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(wildcard src tests bench deploy) -name __pycache__ -prune -exec rm -rf {} +

setup-demo: $(VENV)/.package

setup-test: $(VENV)/.dev $(VENV)/.package $(VENV)/.peers
	tools/bootstrap.sh test-tools

# Each stamp is touched last, so an interrupted step is done again.
$(VENV)/.created:
	@echo 'Setting up $(VENV): about a minute, once.'
	tools/bootstrap.sh venv $(VENV)
	touch $@

$(VENV)/.dev: $(VENV)/.created requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	touch $@ $(VENV)/.demo

$(VENV)/.demo: $(VENV)/.created requirements/demo.txt
	$(PIP) install --require-hashes -r requirements/demo.txt
	touch $@

$(VENV)/.peers: $(VENV)/.created tools/bootstrap.sh tests/peers/package-lock.json
	tools/bootstrap.sh test-peers $(VENV)/peers
	touch $@

# The package itself, as a user would have it: built, then installed, never run from src/.
$(VENV)/.package: $(VENV)/.demo $(SOURCES)
	$(PIP) install --no-index --no-deps --no-build-isolation --force-reinstall .
	touch $@
