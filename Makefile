# make audit   the built-in audit, from nothing to a report (installs into .venv first)
# make test    the quick tests; SLOW=1 for all
# make check   lint, format and types
#
# PYTHON       the Python 3.11+ to build .venv with
# TORCH_INDEX  the package index to take torch from (default: chosen by tools in .venv, see below)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=
SLOW ?=
MARK := $(if $(SLOW),,-m "not slow")

.PHONY: audit test check clean
.DEFAULT_GOAL := audit

audit: $(VENV)/.installed
	$(BIN)/govaudit audit

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(MARK) -n 2 --dist loadfile

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs

$(VENV)/.installed: pyproject.toml install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_INDEX="$(TORCH_INDEX)" sh install.sh
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_INDEX="$(TORCH_INDEX)" sh install.sh dev
	touch $@
