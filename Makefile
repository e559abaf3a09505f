.DEFAULT_GOAL := help
UV ?= .tools/bin/uv
# `make test PYTHON=3.13` runs on that Python, in an environment of its own: .venv-3.13.
PYTHON ?=
VENV := .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
# pyenv's shims run only the version that is chosen.
CHOOSE := $(if $(PYTHON),PYENV_VERSION=$(PYTHON))
export UV_PYTHON_DOWNLOADS ?= never
# The tests start hundreds of processes: without bytecode on disk each compiles its imports anew.
unexport PYTHONDONTWRITEBYTECODE
# A demo needs a handful of packages; it gets an environment of its own, quick to make.
DEMO := .venv-demo

.PHONY: help demo sandbox test test-long check check-code check-mypy check-pyright format docs reference screenshots requirements bench chaos fuzz mutants soak proof audit release-check clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO)/stamp ## watch the sandbox send to Flask, Django and Starlette, and to an engine
	$(DEMO)/bin/coffrify-webhooks demo

sandbox: $(DEMO)/stamp ## run Coffrify's sending side, with an example application attached
	$(DEMO)/bin/coffrify-webhooks sandbox --with-example

test: $(VENV)/stamp ## run the tests; PYTHON=3.13 for another Python
	$(BIN)/pytest -n 3 --dist worksteal -m "not long" tests
	$(BIN)/pytest docs README.md # a process of their own: a page sets up Flask and Django as its reader does

test-long: $(VENV)/stamp ## run every test with its full budget, as before a release
	TEST_LONG=1 $(BIN)/pytest -n 3 --dist worksteal tests
	$(BIN)/pytest docs README.md

check: check-code check-mypy check-pyright ## lint and type-check

check-code: $(VENV)/stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache --no-logo # the layers, and no circle
	$(BIN)/coffrify-webhooks codegen --check

check-mypy: $(VENV)/stamp
	$(BIN)/mypy

check-pyright: $(VENV)/stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --warnings
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes coffrify_webhooks --ignoreexternal | grep 'completeness score: 100%'

format: $(VENV)/stamp ## format, and fix what can be fixed automatically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/stamp ## build the site of the documentation into site/; a warning is an error
	$(BIN)/zensical build --strict

reference: $(VENV)/stamp ## write the generated pages of docs/ anew
	for page in api errors notices settings commands; do $(BIN)/python -m docs.$${page}_reference || exit 1; done
	$(BIN)/python -m docs.catalog_table
	$(BIN)/python -m docs.llms_txt

screenshots: $(VENV)/stamp ## take anew the pictures of docs/ whose pages have changed
	$(BIN)/python -m tests.screenshots

chaos: $(VENV)/stamp ## kill -9 workers, databases and brokers, and count what was promised
	$(BIN)/python -m tests.chaos.chaos --events 2000 --kills 60 --outages 5
	$(BIN)/python -m tests.chaos.engine_chaos --events 2000 --kills 20 --stops 5 --starved 5
	$(BIN)/python -m tests.chaos.engine_chaos --events 500 --kills 5 --lossy
	$(BIN)/python -m tests.chaos.order_chaos --events 2000 --objects 50 --kills 20

SECONDS_EACH ?= 60
fuzz: $(VENV)/fuzz-stamp ## feed each parser hostile input for SECONDS_EACH, guided by coverage
	$(BIN)/python -m tests.fuzz.fuzz --seconds $(SECONDS_EACH)

mutants: $(VENV)/stamp ## make small mistakes in the core, and count those that no test notices
	$(BIN)/python -m tests.mutants.mutants

SOAK ?= --seconds 600
soak: $(VENV)/stamp ## ten minutes of traffic for each server and store; SOAK="--store sqlite --seconds 60" chooses
	$(BIN)/python -m tests.soak.soak $(SOAK)

proof: $(VENV)/fuzz-stamp ## run what proves the promises, within 142 minutes, and print one table; PROOF="fuzz soak" chooses
	$(BIN)/python -m tests.proof.proof $(PROOF)

audit: | $(filter .tools/%,$(UV)) ## ask which pinned dependencies have known vulnerabilities; check the workflows
	$(UV) tool run pip-audit --require-hashes --disable-pip -r requirements/dev.txt
	if [ -d .github/workflows ]; then $(UV) tool run zizmor --offline .github/workflows; fi

bench: $(VENV)/stamp ## measure, side by side with the floor and the peers
	$(BIN)/python benchmarks/verify.py
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/parts.py
	$(BIN)/python benchmarks/requests.py
	$(BIN)/python benchmarks/served.py
	$(BIN)/python -P benchmarks/salvage.py
	$(BIN)/python -P benchmarks/codegen.py
	$(BIN)/python -P benchmarks/stores.py
	$(BIN)/python -P benchmarks/async_stores.py
	$(BIN)/python -P benchmarks/engines.py
	$(BIN)/python -P benchmarks/growth.py --most 100000 --servers

requirements: | $(filter .tools/%,$(UV)) ## pin the dependencies anew
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -o requirements/dev.txt
	$(UV) pip compile --group fuzz --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -c requirements/dev.txt -o requirements/fuzz.txt
	$(UV) pip compile pyproject.toml --extra demo --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -c requirements/dev.txt -o requirements/demo.txt

release-check: $(VENV)/stamp ## build, and check what is about to be published; minutes, and the package index
	UV="$(abspath $(UV))" $(BIN)/python release/check.py $(CHECKS)

clean: ## remove everything that make made
	rm -rf .tools .venv .venv-* site dist .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis coffrify-demo.md coffrify-sandbox.db*

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.13,<1'

$(VENV)/stamp: requirements/dev.txt pyproject.toml | $(filter .tools/%,$(UV))
	$(CHOOSE) $(UV) venv --quiet --allow-existing $(if $(PYTHON),--python $(PYTHON)) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@

$(VENV)/fuzz-stamp: $(VENV)/stamp requirements/fuzz.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/fuzz.txt
	touch $@

$(DEMO)/stamp: requirements/demo.txt pyproject.toml | $(filter .tools/%,$(UV))
	$(UV) venv --quiet --allow-existing $(DEMO)
	$(UV) pip install --quiet --python $(DEMO)/bin/python --require-hashes -r requirements/demo.txt
	$(UV) pip install --quiet --python $(DEMO)/bin/python --no-deps -e .
	touch $@
