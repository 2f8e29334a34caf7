# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needs: Linux, Python >= 3.11 with venv, make. Everything else is installed into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCKS  := requirements/server.txt requirements/demo.txt requirements/dev.txt
PROJECTS := pyproject.toml packages/client/pyproject.toml packages/emulator/pyproject.toml
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
              --no-emit-index-url --no-emit-find-links --no-header -c requirements/bounds.in

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo demo-serve test test-fast year day kills chromium nginx node-sdk compiled lint types imports bench docs pictures looks town locks clean

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

demo: setup  ## run the main job before your eyes: connect a seller and a vendor, hand out access tokens
	@$(BIN)/python -m demo

demo-serve: setup  ## the same, and leave it running beside a console full of life: sixty accounts, four people
	@$(BIN)/python -m demo --serve

PROCESSES ?= 3

# Some hundred processes start in the tests: they need not compile everything anew, whatever the surroundings say.
# One process more than the two cores for which this is meant: while a journey waits for the next minute to come round, or for
# a process that starts, its core is another's.
test: setup-dev chromium nginx node-sdk  ## everything that must hold
	@$(MAKE) --no-print-directory -j2 lint compiled types imports
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup

# In a fresh clone every process would compile all tests, at the same time as the others; here one does, beside mypy.
compiled: setup-dev
	@test -d tests/rules/__pycache__ || PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq >/dev/null || \
	  $(BIN)/python -m pytest --collect-only -qq

test-fast: setup-dev  ## the shelves without processes and browser
	@$(BIN)/python -m pytest -q tests/rules tests/rooms tests/edges tests/doors tests/client

year: setup-dev  ## a simulated year and a half over 200 accounts, one node and then two; takes six minutes
	@PYTHONDONTWRITEBYTECODE= EVERGRANT_YEAR=full $(BIN)/python -m pytest -q tests/journeys/test_year.py

day: setup-dev  ## a simulated day in the kitchen over 200 accounts with 100,000 changes, two nodes; takes long (EVERGRANT_DAY_SIZE=60,30000 makes it smaller)
	@PYTHONDONTWRITEBYTECODE= EVERGRANT_DAY=full $(BIN)/python -m pytest -q tests/journeys/test_day.py

kills: setup-dev  ## the kitchen killed at every act of every kind, over real pipes
	@PYTHONDONTWRITEBYTECODE= EVERGRANT_KILL=full $(BIN)/python -m pytest -q tests/journeys/test_kitchen_killed.py

chromium:  # the browser tests use the system's Chromium; install one where we may
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Debian's Chromium for the browser tests ..."; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 \
	      || echo "Chromium could not be installed: the browser tests will be skipped (with CI=true they fail)."; \
	  else \
	    echo "No Chromium here and no right to install one: the browser tests will be skipped (with CI=true they fail)."; \
	  fi

nginx:  # the gateway's other data plane is tested with Debian's nginx: unpacked here, so that no service starts
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || test -x $(VENV)/nginx/usr/sbin/nginx || \
	  if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then \
	    echo "Fetching Debian's nginx into $(VENV) for the tests of the data plane ..."; \
	    ( mkdir -p $(VENV)/nginx && cd $(VENV)/nginx && { [ "$$(id -u)" != 0 ] || apt-get update -qq; } && \
	      apt-get download -qq nginx && dpkg-deb -x nginx_*.deb . ) >/dev/null 2>&1 \
	      || { rm -rf $(VENV)/nginx; echo "nginx could not be had: its tests will be skipped (with CI=true they fail)."; }; \
	  else \
	    echo "No nginx here and no Debian to fetch it from: its tests will be skipped (with CI=true they fail)."; \
	  fi

NODE_SDKS := @amazon-sp-api-release/amazon-sp-api-sdk-js@1.12.0 amazon-sp-api@1.2.1 axe-core@4.11.0

# npm removes what it is not told of, so the three come together.
node-sdk:  # JavaScript runs with Amazon's own SDK and a much-used other one, where Node is here; axe-core looks at the console's pages
	@test -d $(VENV)/node/node_modules/@amazon-sp-api-release -a -d $(VENV)/node/node_modules/amazon-sp-api -a -d $(VENV)/node/node_modules/axe-core || \
	  if command -v npm >/dev/null; then \
	    echo "Installing two JavaScript SDKs and axe-core for the tests ..."; \
	    npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix $(VENV)/node $(NODE_SDKS) >/dev/null 2>&1 \
	      || { rm -rf $(VENV)/node; echo "They could not be installed: the tests in JavaScript and axe will be skipped."; }; \
	  else \
	    echo "No Node here: the tests in JavaScript and axe will be skipped."; \
	  fi

lint: setup-dev  ## style and common mistakes
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

types: setup-dev  ## mypy, strict
	@$(BIN)/mypy src packages/client/src packages/emulator/src demo bench

imports: setup-dev  ## the street runs one way
	@$(BIN)/lint-imports --no-cache

bench: setup-dev  ## ratios from one run on this machine
	@$(BIN)/python -m bench

docs: setup-dev  ## write the generated pages and pictures again
	@$(BIN)/python docs/draw.py && $(BIN)/python docs/reference_pages.py && $(BIN)/python docs/api_page.py && $(BIN)/python docs/checks_page.py && $(BIN)/python docs/emulator_pages.py && $(BIN)/python docs/operations_table.py && $(BIN)/python docs/events_table.py

looks: setup-dev chromium node-sdk  ## take pictures of every page at two widths, by day and by night, into test-output, to look at
	@EVERGRANT_PICTURES=all $(BIN)/python -m pytest -q -p no:cacheprovider tests/browser/test_console_pages.py tests/browser/test_public.py tests/browser/test_letters.py tests/browser/test_consent.py

town: setup-dev  ## the demo's town comes up and four people look around in it; takes a minute and a half
	@PYTHONDONTWRITEBYTECODE= EVERGRANT_TOWN=full $(BIN)/python -m pytest -q tests/journeys/test_demo_town.py

pictures: setup-dev chromium  ## take the pictures of the operators' guide again
	@EVERGRANT_PICTURES=write $(BIN)/python -m pytest -q -p no:cacheprovider tests/browser/test_console_pictures.py

clean:  ## remove the virtual environment and what demo and tests left
	rm -rf $(VENV) .demo test-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
