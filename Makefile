# One file of entry points, for people and for CI. All of them work from a clean clone with Python 3.11 or later;
# nothing is installed outside .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS ?= 5
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# One line that grows while a command works; its dots end with it, and with the shell that runs both.
DOTS = dots() { while kill -0 $$$$ 2>/dev/null; do printf .; sleep 2; done; }; \
	working() { printf '%s ' "$$1"; shift; dots & "$$@"; status=$$?; kill $$!; echo; return $$status; }
# Two processes a core, each with a PostgreSQL of its own: a test waits for half of its time, mostly for other processes.
# A few tests that fail so are run once more alone, and named (docs/decisions/0033).
PARALLEL := $(BIN)/python -m tests.alone --numprocesses $$((2 * $$(getconf _NPROCESSORS_ONLN))) --dist worksteal

# Compiled modules are kept also where an image forbids it: four test processes and every server would compile them anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up port-is-ours demo bench test check lint types faults reliability soak conformance package screenshots docs reference constraints clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: port-is-ours $(VENV)/.installed ## Start LLM Bus here, on its own PostgreSQL, and print how to connect.
	@$(BIN)/llm-bus up

# Before the installation, which takes a minute.
port-is-ours:
	@$(PYTHON) web/cli/port.py

demo: $(VENV)/.installed ## Watch a handful of agents work together.
	@$(BIN)/llm-bus demo

bench: $(VENV)/.installed ## Measure this machine and write docs/benchmarks.md.
	@$(BIN)/llm-bus bench

test: $(VENV)/.installed-dev ## Run every test but the long ones.
	$(PARALLEL)

check: lint types ## What CI runs: lint, types, floors, tests, and every branch of the engine covered.
	$(BIN)/coverage run -m pytest tests/engine
	$(BIN)/coverage report
	$(PARALLEL) --ignore tests/engine

lint: $(VENV)/.installed-dev ## Style, format and the floors of the house.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev ## Strict types.
	$(BIN)/mypy

faults: $(VENV)/.installed-dev ## Strike servers and databases with faults and judge every answer: RUNS=5 SEED=1.
	$(BIN)/python -m tests.faults run --runs $(RUNS) $(if $(SEED),--seed $(SEED))

reliability: $(VENV)/.installed-dev ## Run 50 seeds and all measurements, and write docs/explanation/reliability.md.
	rm -rf build/faults
	-$(BIN)/python -m tests.faults run --runs 50 --seed 1
	-$(BIN)/python -m tests.faults measure
	$(BIN)/python -m tests.faults report

soak: $(VENV)/.installed-dev ## The tests that run for many minutes.
	$(BIN)/pytest -m soak

conformance: $(VENV)/.installed-dev ## The protocol's own conformance suite; needs npm.
	$(BIN)/pytest -m conformance

package: $(VENV)/.installed-package ## Build wheel and sdist into dist, list what they need, and install them everywhere.
	rm -rf dist $(VENV)/bill
	$(BIN)/python -m tests.package.distributions
	$(PYTHON) -m venv --without-pip $(VENV)/bill
	$(BIN)/python -m pip --disable-pip-version-check --python $(VENV)/bill/bin/python install --quiet --constraint constraints.txt dist/*.whl
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/llm-bus.cdx.json $(VENV)/bill
	$(BIN)/python -m tests.package.bill dist/llm-bus.cdx.json > dist/licences.txt
	$(BIN)/pytest -m package tests/package
	@cat dist/environments.md

screenshots: $(VENV)/.installed-dev ## Take the pictures of the web admin in docs/images; needs Chromium.
	$(BIN)/python -m tests.browser.screenshots

clients: $(VENV)/.installed-dev ## Connect real agent clients, a gigabyte of them; needs npm.
	$(BIN)/pytest -m clients

docs: $(VENV)/.installed-dev ## Build the documents as a static site in build/docs; warnings are errors.
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs

reference: $(VENV)/.installed-dev ## Write docs/reference, from the code and from what a bus answers.
	$(BIN)/python -m tests.docs.reference

constraints: ## Write constraints.txt, from what pip chooses today.
	rm -rf $(VENV)/resolve
	$(PYTHON) -m venv $(VENV)/resolve
	$(VENV)/resolve/bin/python -m pip --disable-pip-version-check install --quiet -e '.[dev,docs]'
	(sed -n '/^#/p' constraints.txt; $(VENV)/resolve/bin/python -m pip freeze --exclude-editable) > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt
	rm -rf $(VENV)/resolve

clean: ## Remove everything that the other targets made.
	rm -rf $(VENV) build ./*.egg-info .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; try: make PYTHON=python3.12")'
	@$(DOTS); working 'Making a Python environment in $(VENV)' $(PYTHON) -m venv $(VENV)

# Touched last, so that an interrupted installation starts over.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@$(DOTS); working 'Installing LLM Bus into $(VENV), which takes about a minute' \
		$(PIP) install --constraint constraints.txt --editable '.'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[dev,docs]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-package: $(VENV)/.installed-dev
	$(PIP) install --constraint constraints.txt --editable '.[package]'
	@touch $@
