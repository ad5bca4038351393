# Everything runs inside .venv, which the first target makes by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

install: $(STAMP)  ## make the virtual environment and install the package with all it needs

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,lint]'
	@touch $(STAMP)

demo: $(STAMP)  ## compare STN, baseline and classical features; DATA=folder takes real images
	$(BIN)/python examples/demo.py $(if $(DATA),--data '$(DATA)')

test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest

lint: $(STAMP)  ## check style and docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## measure images per second of each stage, some minutes
	$(BIN)/python benchmarks/speed.py

clean:  ## remove the virtual environment and what the targets wrote
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .ruff_cache
