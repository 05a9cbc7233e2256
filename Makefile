# Two commands matter: `make run` starts the engine with its demo, `make test` proves it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
SECONDS ?= 60

.PHONY: install install-dev run test check format sdk-docs bench fuzz clean

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "voylo needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@echo "compiling the media kernel, once for this machine" && $(BIN)/python -m media.kernel.warm
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: install
	$(BIN)/voylo serve --demo $(ARGS)

test: install-dev
	$(BIN)/python -m tests.run $(ARGS)

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sdk-docs: install-dev
	npm --prefix sdk/node install --no-package-lock --no-audit --no-fund
	$(BIN)/python -m sdk.generate.reference

bench: install-dev
	$(BIN)/python -m bench $(ARGS)

fuzz: install-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt atheris || test -z "$$CI"
	$(BIN)/python tests/fuzz/run.py $(SECONDS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
