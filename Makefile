# `make demo` and `make test` work on a fresh Debian machine as root: they install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export DEBIAN_FRONTEND := noninteractive
# Compiled modules are what users have; without them every command would compile Sampan anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test lint types unit reference docs bench clean

help:            ## show this
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*##/\t/'

install: $(VENV)/installed  ## make the virtual environment with Sampan in it
	@echo "sampan is $(BIN)/sampan"

$(VENV)/pip:
	contrib/debian/install run
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	touch $@

$(VENV)/installed: $(VENV)/pip pyproject.toml $(shell find core plugins -name '*.py')
	$(BIN)/pip install -q .
	touch $@

$(VENV)/developed: $(VENV)/pip pyproject.toml
	contrib/debian/install test
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

demo: install    ## see it work: import an image from busybox, run it in every way
	contrib/demo/demo $(BIN)/sampan

test: $(VENV)/developed lint types unit  ## lint, types and the whole suite, on real namespaces and a real registry

lint: $(VENV)/developed
	$(BIN)/ruff check .

types: $(VENV)/developed
	$(BIN)/mypy

unit: $(VENV)/developed
	$(BIN)/python -m compileall -q core plugins
	$(BIN)/pytest -n 3 --dist worksteal

reference: $(VENV)/developed  ## write docs/reference anew from the commands and the engine
	$(BIN)/python contrib/docs/reference.py

docs: $(VENV)/documented  ## build the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html"

$(VENV)/documented: $(VENV)/pip pyproject.toml
	$(BIN)/pip install -q -e '.[docs]'
	touch $@

bench: install   ## compare with the docker and podman that are on this machine
	$(BIN)/python contrib/bench/bench.py

clean:
	rm -rf $(VENV) build dist
