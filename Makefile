# Everything starts from a bare machine with Python 3.10, 3.11 or 3.12; see README.md.
# PYTHON=/path/to/python chooses another interpreter than the one that is found.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

FULL := .venv
ENGINE := .venv-engine
DOCS := .venv-docs
BIN := $(FULL)/bin
JOBS ?= 2

.PHONY: help test demo gui lint coverage test-full test-gui test-engine test-others environment environment-engine system clean

help:
	@echo "make demo   simulate particles, run the whole path in a Scipion project, draw pictures"
	@echo "make test   linters and all tests, with Scipion and without"
	@echo "make gui    open the project that make demo left in Scipion's window"
	@echo "make docs   build the pages of docs/ as a site in build/site"
	@echo "make lint   ruff, mypy and import-linter only"
	@echo "make coverage  lines and branches of the engine that its tests reach"
	@echo "make clean  remove environments and results"

# The tests of the windows mostly wait for windows: all others run beside them.
test: system lint environment-engine
	@$(MAKE) --no-print-directory --jobs=2 test-gui test-others
	@echo "all tests passed"

test-others:
	@$(MAKE) --no-print-directory test-engine
	@$(MAKE) --no-print-directory test-full

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One thread for each of the test processes: they share the cores already.
test-full test-gui test-engine: export OMP_NUM_THREADS = 1

test-full: environment
	$(BIN)/python -m pytest tests -n $(JOBS) --dist loadfile -m "not end_to_end" \
		--ignore-glob='tests/test_gui_*'

test-gui: environment system
	$(BIN)/python -m pytest tests/test_gui_*.py

# What can differ where numpy is 2 and no Scipion is: reading and writing, the model's numbers, the
# package and its commands, and one run from particles to maps. The rest has run in the other one.
ENGINE_TESTS := $(wildcard $(addprefix tests/test_,io_*.py model_*.py splat*.py run_*.py symmetry*.py)) \
	$(addsuffix .py,$(addprefix tests/test_,backprojection carry cli convert data_conformance \
	end_to_end fuzz_readers numerics repository row_store simulate_files))

test-engine: environment-engine
	$(ENGINE)/bin/python -m pytest $(ENGINE_TESTS) -n $(JOBS) --dist loadfile \
		-m "not slow or end_to_end" --deselect=tests/test_io_relion_roundtrip.py

# Without the tests of Scipion and of the windows; compiled kernels are seen as not reached.
coverage: export OMP_NUM_THREADS = 1
coverage: environment
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests -n $(JOBS) --dist loadfile \
		--ignore-glob='tests/test_gui_*' --ignore-glob='tests/test_scipion_*'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

demo: environment
	$(BIN)/python -m demo.run

gui: environment
	$(BIN)/python -m demo.open_gui

# Docstrings are read, not imported: neither torch nor Scipion is needed. Warnings are errors.
.PHONY: docs
docs: $(DOCS)/made_from
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	scripts/check_site.sh build/site
	@echo "open build/site/index.html"

# In one step again where it was left half made: the file that says so comes last.
$(DOCS)/made_from: constraints-docs.txt
	rm -rf $(DOCS)
	"$$(scripts/find_python.sh)" -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-docs.txt
	$(DOCS)/bin/python -m pip check
	cp constraints-docs.txt $@

environment:
	@scripts/make_environment.sh $(FULL) constraints.txt engine,scipion,test,scipion-test

environment-engine:
	@scripts/make_environment.sh $(ENGINE) constraints-engine.txt engine,test

system:
	@scripts/install_system_packages.sh

clean:
	rm -rf $(FULL) $(ENGINE) $(DOCS) build dist demo_output *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
