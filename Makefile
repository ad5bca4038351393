# Everything runs inside .venv, which the first target makes by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
DATA ?=
# Two processes; the tests of a file share what they set up.
PARALLEL ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install demo check test browser test-lowest test-newest lint words audit wheel sdist format docs bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

install: $(STAMP)  ## make the virtual environment and install the package with all it needs

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,lint]'
	@touch $(STAMP)

demo: $(STAMP)  ## compare STN, baseline and classical features; DATA=folder takes real images
	$(BIN)/python benchmarks/demo.py $(if $(DATA),--data '$(DATA)')

# What takes long is marked in tests/slow.py: training, whole slides, processes that are killed.
check: lint  ## lint, types and the tests that take little, about a minute
	$(BIN)/python -m pytest $(PARALLEL) -q -m 'not slow' $(ARGS)

test: $(STAMP)  ## run all tests
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

browser: $(STAMP)  ## install Chromium and axe-core where apt-get and npm may, and run the tests that need them
	tools/install_browser.sh
	$(BIN)/python -m pytest tests/report/test_browser.py $(ARGS)

# Environments of their own, made anew: what is resolved today counts, not what was.
test-lowest:  ## run the tests with the lowest versions that pyproject.toml names
	$(call tested_with,constraints-lowest.txt)

test-newest:  ## run the tests with the newest versions of everything
	$(call tested_with,constraints.txt)

define tested_with
	rm -rf .venv-$(@:test-%=%)
	$(PYTHON) -m venv .venv-$(@:test-%=%)
	.venv-$(@:test-%=%)/bin/python -m pip install --quiet --constraint $(1) --editable '.[test]'
	.venv-$(@:test-%=%)/bin/python -m pip list
	.venv-$(@:test-%=%)/bin/python -m pytest $(PARALLEL) $(ARGS)
	rm -rf .venv-$(@:test-%=%)
endef

lint: words  ## check style, docstrings, types, words and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@echo 'dependencies: not audited here; "make audit" does, and needs a vulnerability service'

words: $(STAMP)  ## check spelling, and that the field's words are used
	$(BIN)/python tools/check_words.py
	$(BIN)/codespell

audit: $(STAMP)  ## look up the installed versions in a list of known vulnerabilities
	$(BIN)/python -m pip list --format freeze --exclude-editable | sed 's/+.*//' > $(VENV)/versions.txt
	$(BIN)/pip-audit --strict --disable-pip --no-deps --requirement $(VENV)/versions.txt

wheel: $(STAMP)  ## build the wheel, look at its files, and try it in a clean environment
	$(BIN)/python tools/check_wheel.py

sdist: $(STAMP)  ## build the source distribution, look at its files, and try what it builds
	$(BIN)/python tools/check_sdist.py

format: $(STAMP)  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DOCS_STAMP)  ## build the documentation with its gallery into docs/_build/html
	rm -rf docs/generated  # pages of names that are gone
	$(BIN)/python -m sphinx -b html -W --keep-going docs docs/_build/html

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $(DOCS_STAMP)

bench: $(STAMP)  ## measure images per second of each stage, some minutes
	$(BIN)/python benchmarks/speed.py

clean:  ## remove the virtual environment and what the targets wrote
	rm -rf $(VENV) .browser .venv-lowest .venv-newest demo build dist *.egg-info .hypothesis .pytest_cache .ruff_cache .mypy_cache
	rm -rf docs/_build docs/gallery docs/generated docs/sg_execution_times.rst
