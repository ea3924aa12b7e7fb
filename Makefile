# `make help` lists what there is. Every target first sets up what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_COMPILE_BYTECODE := 1
export UV_LINK_MODE := copy
export MELTANO_SEND_ANONYMOUS_USAGE_STATS := false
PACKAGES := canai-rules reverse-etl sandbox singer-kit tap-canai target-hubspot target-pipedrive target-salesforce
PROJECTS := $(addsuffix /pyproject.toml,$(PACKAGES))
VENV_READY := $(VENV)/.ready
PLUGINS_READY := .meltano/.ready
PYTEST_WORKERS ?= 2

.PHONY: bench bench-quick help demo sync forget sandbox stop test check generate lock clean setup

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(PLUGINS_READY) ## Install everything

$(VENV_READY): requirements.lock $(PROJECTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(foreach package,$(PACKAGES),-e ./$(package))
	touch $@

$(PLUGINS_READY): $(VENV_READY) meltano.yml
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/meltano --log-level=warning install --clean
	mkdir -p .meltano && touch $@

demo: $(PLUGINS_READY) ## Start the sandbox afresh and sync 1,000 people into three CRMs (PORT=8765)
	@$(BIN)/python scripts/demo.py demo

sync: $(PLUGINS_READY) ## Run the three jobs on the running sandbox (FULL=1 reads everything again)
	@$(BIN)/python scripts/demo.py sync

forget: $(VENV_READY) ## Delete the three ledgers
	@$(BIN)/python scripts/demo.py forget

sandbox: $(VENV_READY) ## Run the sandbox in the foreground (PORT=8765)
	@$(BIN)/canai-sandbox serve --port $${PORT:-8765}

stop: $(VENV_READY) ## Stop the sandbox that make demo left running
	@$(BIN)/python scripts/demo.py stop

test: $(PLUGINS_READY) ## Run every test that needs no account
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) $(PYTEST_ARGS)

check: $(VENV_READY) ## Lint, types, and whether generated files are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy canai-rules/canai_rules reverse-etl/reverse_etl sandbox/sandbox singer-kit/singer_kit tap-canai/tap_canai target-hubspot/target_hubspot target-pipedrive/target_pipedrive target-salesforce/target_salesforce scripts
	$(BIN)/python scripts/generate.py --check

generate: $(VENV_READY) ## Make generated files anew (meltano.yml, README tables, .env.example, docs/mapping.md)
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

bench-quick: $(PLUGINS_READY) ## The same in less time
	@$(BIN)/python benchmarks/airbyte_read.py 8000
	@$(BIN)/python benchmarks/webhooks.py 4
	@$(BIN)/python benchmarks/latency.py 20
