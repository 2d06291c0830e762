# `make help` says what there is. The first target that runs installs what it needs.
PYTHON ?= python3
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
BIN := .venv/bin
READY := .venv/ready
TUNING := .venv/tuning
NOTEBOOKS = $(wildcard book/*.ipynb)
# What the build of the book said, and what the book is made of.
BOOK := _build/book.log
SOURCES = $(shell find book lrlib -type f -not -name '*.pyc') \
	$(wildcard *.yml *.md *.cff) requirements.txt
# These measure no speed: they make the results that chapters show.
EXPERIMENTS = workload_race fine_tuning language_model optimizers_today tuning
BENCHMARKS = $(filter-out $(EXPERIMENTS:%=benchmarks/%.py),$(wildcard benchmarks/*.py))

# The book's own kernel: quiet, and the same numbers in every run.
export JUPYTER_PATH := $(CURDIR)/book/_jupyter
export TF_CPP_MIN_LOG_LEVEL := 2
export TF_ENABLE_ONEDNN_OPTS := 0
# One thread an op: the same numbers on any number of cores, and races are faster.
export TF_NUM_INTRAOP_THREADS := 1

.PHONY: help book test test-peers test-backends lab execute lint count lock lock-peers \
	bench mutants lighthouse kernel clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What the notebooks need when they run; the build of the book doesn't run them.
$(TUNING): $(READY) requirements-tuning.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-tuning.txt
	@touch $@

book: $(BOOK) ## build the book, to _build/html
	@echo "The book is built. In a browser, open _build/html/index.html"

# The tests of the pages ask for it too, and build it only if it is older than that.
$(BOOK): $(READY) $(SOURCES)
	@rm -rf _build/html $@
	@mkdir -p _build
	$(BIN)/jupyter-book build . --all -W -n --keep-going --quiet > $@.new 2>&1 \
		|| { cat $@.new; exit 1; }
	@mv $@.new $@

# A file's tests stay together, in the order that tests/conftest.py gives the files.
test: $(TUNING) ## check everything: lrlib, the notebooks, the built pages
	$(BIN)/pytest --nbval --nbval-sanitize-with tests/nbval.cfg --nbval-cell-timeout 300 \
		-n $(JOBS) --dist loadfile --no-loadscope-reorder -q \
		$(NOTEBOOKS) tests lrlib

# TensorFlow and PyTorch crash in one process: the other libraries live apart, where
# Keras runs on JAX and on PyTorch, without TensorFlow.
.venv-peers/ready: requirements-peers.txt
	test -x .venv-peers/bin/pip || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -r requirements-peers.txt
	@touch $@

test-peers: .venv-peers/ready ## run what lrlib writes for other libraries there (RECORD=1 to record)
	PYTHONPATH=. $(if $(RECORD),LRLIB_RECORD=1) .venv-peers/bin/python -m pytest -q tests/peers

test-backends: .venv-peers/ready ## run lrlib on Keras with JAX and with PyTorch
	for backend in jax torch; do \
		KERAS_BACKEND=$$backend PYTHONPATH=. .venv-peers/bin/python -m pytest -q \
			tests/backends tests/test_saved_models.py || exit 1; done

lab: $(TUNING) ## open the chapters in JupyterLab
	$(BIN)/jupyter lab book

execute: $(TUNING) ## run all notebooks afresh and store what they show
	$(BIN)/python book/execute.py --jobs $(JOBS) $(NOTEBOOKS)

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

count: $(READY) ## how many lines of code lrlib has, without docstrings, comments and blanks
	$(BIN)/python tests/count.py lrlib

LOCK = $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: $(READY) ## write the requirements*.txt of the book anew from pyproject.toml
	$(LOCK) --generate-hashes --extra book --extra test pyproject.toml \
		-o requirements.txt
	$(LOCK) --generate-hashes --extra book --extra test --extra tuning \
		-c requirements.txt pyproject.toml -o requirements-tuning.txt

# PyTorch pins its CUDA packages itself, where it wants them.
lock-peers: $(READY) ## write requirements-peers.txt anew from requirements-peers.in
	$(LOCK) -c requirements.txt requirements-peers.in pyproject.toml -o requirements-peers.txt
	grep -vE '^(cuda|nvidia|triton)' requirements-peers.txt > requirements-peers.new
	mv requirements-peers.new requirements-peers.txt

bench: $(READY) ## measure speed, each against what others do; a missed bound is an error (needs Node.js)
	@missed=0; for file in $(BENCHMARKS); do \
		echo "== $$file"; $(BIN)/python $$file || missed=1; done; exit $$missed

mutants: $(READY) ## change lrlib in one place at a time: does a test notice? (takes hours, goes on)
	$(BIN)/pip install --quiet --disable-pip-version-check "cosmic-ray>=8.4,<9"
	PYTHONPATH=. $(BIN)/python benchmarks/mutation/run.py

lighthouse: $(READY) ## Lighthouse on every page of the built book (needs Node.js and Chromium)
	npm ci --prefix benchmarks/lighthouse --no-audit --no-fund --silent
	$(BIN)/python benchmarks/lighthouse/measure.py

# The book's tests need no compiler: what it makes is kept, with the digest of its source.
KERNEL := lrlib/show/explorer/kernel
kernel: ## compile the network that trains in the page to WebAssembly (needs clang and lld)
	clang --target=wasm32 -msimd128 -O3 -fno-builtin -ffp-contract=off -fno-math-errno \
		-fvisibility=hidden -Wall -Wextra -Werror -c -o $(KERNEL).o $(KERNEL).c
	wasm-ld --no-entry --export-dynamic --export=__heap_base --import-memory --strip-all \
		-o $(KERNEL).wasm $(KERNEL).o
	printf '// kernel.c, compiled: that of the SHA-256\n// %s\n\n// In hexadecimal, which gzip packs better than base64.\nexport const KERNEL =\n\t"%s";\n' \
		$$(sha256sum < $(KERNEL).c | cut -c -64) $$(od -An -v -tx1 $(KERNEL).wasm | tr -d ' \n') \
		> $(KERNEL).js
	rm $(KERNEL).o $(KERNEL).wasm

clean: ## remove what was built
	rm -rf _build build .hypothesis .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path "./.venv*" -prune -exec rm -rf {} +
