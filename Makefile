# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needs: Linux, Python >= 3.11 with venv, make. Everything else is installed into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCKS  := requirements/server.txt requirements/demo.txt requirements/dev.txt
PROJECTS := pyproject.toml packages/client/pyproject.toml packages/emulator/pyproject.toml
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
              --no-emit-index-url --no-emit-find-links --no-header

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo demo-serve test test-fast lint types bench docs locks clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.python: 
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Evergrant needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch $@

# A stamp per lock: set-up is skipped as long as neither the lock nor the packaging changed.
$(VENV)/.demo: $(VENV)/.python requirements/demo.txt $(PROJECTS)
	@echo "Installing what Evergrant needs into $(VENV) (hashes checked) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e packages/client -e packages/emulator
	@touch $@

$(VENV)/.dev: $(VENV)/.demo requirements/dev.txt
	@echo "Installing the test tools into $(VENV) (hashes checked) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.demo  ## install everything that runs
setup-dev: $(VENV)/.dev  ## install everything that runs and everything that tests

locks:  ## compile requirements/*.txt again from pyproject.toml (needs uv; UPGRADE=--upgrade for newer versions)
	$(UV_COMPILE) $(UPGRADE) pyproject.toml -o requirements/server.txt
	$(UV_COMPILE) $(UPGRADE) -c requirements/server.txt $(PROJECTS) requirements/demo.in -o requirements/demo.txt
	$(UV_COMPILE) $(UPGRADE) -c requirements/demo.txt $(PROJECTS) requirements/demo.in requirements/dev.in -o requirements/dev.txt
