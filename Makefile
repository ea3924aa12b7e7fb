# `make help` lists the targets. Each one first installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
export UV_LINK_MODE := copy
export MELTANO_SEND_ANONYMOUS_USAGE_STATS := false
PROJECTS := $(wildcard */pyproject.toml)
PACKAGES := $(PROJECTS:/pyproject.toml=)
SOURCES := $(foreach package,$(PACKAGES),$(package)/$(subst -,_,$(package)))
PURE_FOLDERS := tests/unit tests/mappings tests/properties tests/docs
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --build-constraints requirements.lock
FAST_READY := $(VENV)/.fast
VENV_READY := $(VENV)/.ready
PLUGINS_READY := .meltano/.ready
PYTEST_WORKERS ?= 2

.PHONY: bench bench-quick check clean demo dist forget generate help hooks lock sandbox setup soak stop \
	sync test test-fast types version

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(PLUGINS_READY) ## Install everything

$(BIN)/uv:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"

# Seconds to install: no Meltano, none of the vendors' clients, no compiled bytecode.
$(FAST_READY): requirements-fast.in requirements.lock $(PROJECTS) | $(BIN)/uv
	$(INSTALL) -c requirements.lock -r requirements-fast.in
	touch $@

# Meltano starts in half the time from compiled bytecode.
$(VENV_READY): export UV_COMPILE_BYTECODE := 1
$(VENV_READY): requirements.lock $(PROJECTS) | $(BIN)/uv
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps $(foreach package,$(PACKAGES),-e ./$(package))
	touch $(FAST_READY) $@

$(PLUGINS_READY): export UV_COMPILE_BYTECODE := 1
$(PLUGINS_READY): $(VENV_READY) meltano.yml
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/meltano --log-level=warning install --clean
	mkdir -p .meltano && touch $@

demo: $(PLUGINS_READY) ## Start a new sandbox and sync 1,000 people into three CRMs (PORT=8765)
	@$(BIN)/python scripts/demo.py demo

sync: $(PLUGINS_READY) ## Run the three jobs on the running sandbox (FULL=1 reads everything again)
	@$(BIN)/python scripts/demo.py sync

forget: $(VENV_READY) ## Delete the three ledgers
	@$(BIN)/python scripts/demo.py forget

sandbox: $(VENV_READY) ## Run the sandbox in the foreground (PORT=8765)
	@$(BIN)/canai-sandbox serve --port $${PORT:-8765}

stop: $(VENV_READY) ## Stop the sandbox that make demo left running
	@$(BIN)/python scripts/demo.py stop

ifdef T
# One test that is pure needs no more than the light set-up: pytest's exit code 5 says that
# nothing is left of T without its pure tests.
test: $(FAST_READY)
	@file="$(T)"; test -e "$${file%%::*}" || { echo "T=$(T): there is no such file"; exit 2; }
	@$(PYTEST) -m "not pure" --collect-only -q "$(T)" >/dev/null 2>&1; \
		test $$? -eq 5 || $(MAKE) --no-print-directory $(PLUGINS_READY)
	$(PYTEST) $(PYTEST_ARGS) "$(T)"
else
test: $(PLUGINS_READY) ## Run every test that needs no account (T=path::name: only that one)
	$(PYTEST) -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
endif

soak: $(PLUGINS_READY) ## Run the long versions of tests
	SOAK=1 $(PYTEST) -m soak $(PYTEST_ARGS)

test-fast: $(FAST_READY) ## Run the tests that need no process, database or Meltano (T=path::name)
	$(PYTEST) -m pure $(PYTEST_ARGS) $(if $(T),"$(T)",-n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PURE_FOLDERS))

check: types ## Lint, check types, versions, words, and that generated files are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml $(filter-out sandbox/%,$(SOURCES))
	$(BIN)/python scripts/generate.py --check
	$(BIN)/python scripts/release.py check
	$(BIN)/python scripts/check_words.py

hooks: $(VENV_READY) ## Have git run the checks before each commit
	$(BIN)/pre-commit install

version: $(FAST_READY) ## Set the version of every package (V=1.2.0)
	@$(BIN)/python scripts/release.py set "$(V)"

dist: $(VENV_READY) ## Build every package's wheel and sdist into dist/ and check their metadata
	rm -rf dist
	$(foreach package,$(PACKAGES),$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python -o dist ./$(package) &&) true
	$(BIN)/twine check --strict dist/*

types: $(VENV_READY) ## Check types
	$(BIN)/mypy $(SOURCES) scripts tests
	cd examples/target-tiny && $(CURDIR)/$(BIN)/mypy --strict --config-file= --cache-dir $(CURDIR)/.mypy_cache/strict target_tiny

generate: $(VENV_READY) ## Write the generated files (meltano.yml, README tables, .env.example, docs/mapping.md)
	$(BIN)/python scripts/generate.py

lock: $(VENV_READY) ## Resolve requirements.in into requirements.lock
	$(BIN)/uv pip compile requirements.in --universal --python-version 3.11 --no-header --no-annotate --quiet --upgrade --generate-hashes -o .lock.tmp
	grep -v '^-e' .lock.tmp > requirements.lock && rm .lock.tmp

clean: ## Remove everything that was installed or left behind
	-@test ! -x $(BIN)/python || $(BIN)/python scripts/demo.py stop
	rm -rf $(VENV) .meltano

bench: $(PLUGINS_READY) ## Measure, side by side, and print ratios
	@$(BIN)/python benchmarks/airbyte_read.py
	@$(BIN)/python benchmarks/webhooks.py
	@$(BIN)/python benchmarks/latency.py
	@$(BIN)/python benchmarks/tap.py
	@$(BIN)/python benchmarks/target.py

bench-quick: $(PLUGINS_READY) ## The same in less time
	@$(BIN)/python benchmarks/airbyte_read.py 8000
	@$(BIN)/python benchmarks/webhooks.py 4
	@$(BIN)/python benchmarks/latency.py 20
	@$(BIN)/python benchmarks/tap.py 20000
	@$(BIN)/python benchmarks/target.py 2000 1
