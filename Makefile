# `make` lists the targets. Set-up happens by itself the first time a target needs it.
PYTHON ?= python3
BIN := .venv/bin
JOB ?= jobs/quickstart.yaml
ARGS ?=
PEERS ?= .peers

# 124: ASGI handlers and seams are async by their protocol. 127: httpx is what this project is asked to use. 114 knows
# nothing of task groups. 9xx are the optional ones (trio's checkpoint discipline).
ASYNC_RULES := --anyio --disable ASYNC114,ASYNC124,ASYNC127,ASYNC9

.DEFAULT_GOAL := help
# What sends, receives or answers.
WIRE := tests/provider tests/purchase tests/app tests/gateway tests/execute tests/e2e

.PHONY: help demo test setup run plan sheet lint format check clean crash soak bench carriers peers peers-node

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: .venv/.ready ## the main job: jobs/quickstart.yaml on the embedded gateway, no key, no cost
	$(BIN)/pipeline run jobs/quickstart.yaml $(ARGS)

test: .venv/.ready ## run the tests
	$(BIN)/pytest -n 2 $(ARGS)

setup: .venv/.ready ## create .venv with pinned dependencies

run: .venv/.ready ## run a manifest: make run JOB=jobs/x.yaml
	$(BIN)/pipeline run $(JOB) $(ARGS)

plan: .venv/.ready ## show what a run would ask and cost: make plan JOB=jobs/x.yaml
	$(BIN)/pipeline plan $(JOB) $(ARGS)

sheet: .venv/.ready ## write the contact sheet again: make sheet JOB=jobs/x.yaml
	$(BIN)/pipeline sheet $(JOB) $(ARGS)

crash: .venv/.ready ## kills, power cuts and planted bugs in their long form (some forty minutes)
	$(BIN)/python -m bench.crash $(ARGS)

soak: crash ## everything that takes long: `make crash`, then hours of work in minutes, watched for what grows
	$(BIN)/python -m bench.soak $(ARGS)

lint: .venv/.ready ## ruff format and lint, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/flake8-async $(ASYNC_RULES) $$(git ls-files "pipeline/*.py")
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: .venv/.ready ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test ## lint and test

bench: .venv/.ready .venv/.bench ## whole runs against scripts of the same work: make bench ARGS='--rounds 1 --share 0.2'
	$(BIN)/python -m bench.runs $(ARGS)

carriers: .venv/.ready ## the tests of everything that speaks HTTP, over stock httpx and over httpx2
	PIPELINE_TRANSPORT=httpx $(BIN)/python -m pytest -n 2 $(WIRE) $(ARGS)
	PIPELINE_TRANSPORT=httpx $(BIN)/python -m pytest -n 2 -p tests.httpx2 $(WIRE) $(ARGS)

peers: .venv/.ready peers-node $(PEERS)/litellm/.ready $(PEERS)/schemathesis/.ready ## let independent programs judge both sides (needs Node; minutes)
	PEERS=$(abspath $(PEERS)) $(BIN)/python -m pytest tests/peers bench/peers $(ARGS)

peers-node: tests/peers/node/node_modules/.ready ## install the npm packages that the tests of clients need

clean: ## remove what was built; outputs and the ledger stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find pipeline tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp follows pyproject.toml and the constraints, so that a changed pin is installed by itself.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("pipeline needs Python 3.11 or newer, this is %d.%d (make PYTHON=python3.12 …)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	$(BIN)/python -m compileall -q pipeline
	touch $@

.venv/.bench: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group bench
	touch $@

tests/peers/node/node_modules/.ready: tests/peers/node/package-lock.json
	npm ci --prefix tests/peers/node --no-audit --no-fund --loglevel=error
	touch $@

$(PEERS)/%/.ready: bench/peers/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@
