# Everything a developer or CI does, by name. `make demo` and `make test` need Python 3.11 or newer and make, no more:
# the first of them builds .venv from requirements-dev.lock (hashes checked).

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
NATIVE := .venv/.native
CODE := schemas detectors monitor forewarn_server.py hatch_build.py sdk tests benchmarks
# Side by side: half of the tests wait for a broker, a browser or a clock. A file stays on one worker.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# What `make bench-kafka` runs beside us.
CONTESTANTS := .cache/contestants/bytewax/.ready .cache/contestants/quix/.ready

.DEFAULT_GOAL := help
.PHONY: help native interpreted demo test check bench bench-detection bench-kafka bench-kills soak parity golden format lock lock-contestants browser clean
# Two installs into one .venv at the same time would spoil it.
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

demo: $(READY) $(wildcard $(NATIVE)) ## a small fleet breaks silently; see what Slack would show
	$(BIN)/forewarn demo

test: $(READY) $(NATIVE) browser ## all tests, with a real Kafka broker and a real browser
	$(PYTEST)

check: $(READY) $(NATIVE) browser ## what CI runs: format, lint, types, imports, all tests
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

bench: $(READY) $(NATIVE) ## what the README claims, measured here
	@set -e; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

bench-detection: $(READY) $(NATIVE) ## delay, false pages and the rest of detection (`ARGS="--quick"`, `ARGS="--data FOLDER"`)
	$(BIN)/python benchmarks/bench_detection.py $(ARGS)

bench-kafka: $(READY) $(NATIVE) $(CONTESTANTS) ## beside Faust, Bytewax and Quix Streams on a real broker (`ARGS="--section match"`)
	$(BIN)/python -m benchmarks.kafka $(ARGS)

# Each contestant has an environment of its own: their dependencies and ours exclude each other.
.cache/contestants/%/.ready: benchmarks/kafka/requirements/%.lock $(READY)
	$(BIN)/python -m venv $(@D)
	VIRTUAL_ENV=$(@D) $(BIN)/uv pip install --quiet --require-hashes -r $<
	@touch $@

bench-kills: $(READY) $(NATIVE) ## workers on Kafka killed with -9, 100 times under load (`ARGS="--kills 5 --events 100000"`)
	$(BIN)/python -m benchmarks.kafka_kills $(ARGS)

native: $(NATIVE) ## compile the hot path, where there is a C compiler

interpreted: $(READY) ## remove what `make native` made
	$(BIN)/python hatch_build.py --clean
	rm -f $(NATIVE)

# Compiled files shadow their sources, so they are made anew whenever one of these changes.
$(NATIVE): $(READY) hatch_build.py $(shell sed -n 's/^    "\(.*\.py\)",$$/\1/p' hatch_build.py)
	$(BIN)/python hatch_build.py
	@touch $(NATIVE)

MINUTES ?= 30
SEED ?= 1
soak: $(READY) $(NATIVE) ## the monitor on Kafka under load, with faults (`MINUTES=2 SEED=1 ARGS="--rate 500"`)
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) --seed $(SEED) $(ARGS)

parity: $(READY) ## our router beside the real Alertmanager (Debian: prometheus-alertmanager), in real time
	$(BIN)/python -m pytest benchmarks/parity

golden: $(READY) $(NATIVE) ## write the golden files and the usage blocks of docs/ anew; look at the diff
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/golden tests/unit/test_web_metrics.py

format: $(READY) ## ruff format, and the fixes that ruff is sure of
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock: $(READY) ## pin every dependency anew from pyproject.toml (`make lock UPGRADE=--upgrade` for newer ones)
	$(LOCK) $(UPGRADE) pyproject.toml -o requirements.lock
	$(LOCK) $(UPGRADE) -c requirements.lock --extra demo --group dev pyproject.toml -o requirements-dev.lock
	$(LOCK) -c requirements-dev.lock --group build -o requirements-build.lock

lock-contestants: $(READY) ## pin the environments of `make bench-kafka` anew
	for name in bytewax quix; do $(LOCK) benchmarks/kafka/requirements/$$name.txt -o benchmarks/kafka/requirements/$$name.lock; done

# An installed browser is taken as it is; else Playwright fetches its own where it can. Without either the browser
# tests are skipped with a remedy, and fail in CI.
browser: $(READY)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| ls $${PLAYWRIGHT_BROWSERS_PATH:-$$HOME/.cache/ms-playwright}/chromium* >/dev/null 2>&1 \
		|| $(BIN)/playwright install chromium \
		|| echo "no browser: install chromium, and the browser tests run too"

# The stamp is written last, so that an interrupted install starts again.
$(READY): requirements-dev.lock pyproject.toml $(wildcard sdk/pyproject.toml)
	@test -n "$(PYTHON)" || { echo "Forewarn needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 2; }
	@if command -v uv >/dev/null; then \
		set -ex; \
		test -x $(BIN)/python || uv venv --python "$(PYTHON)" .venv; \
		VIRTUAL_ENV=.venv uv pip install --require-hashes -r requirements-dev.lock; \
		VIRTUAL_ENV=.venv uv pip install --no-deps --no-build-isolation -e . -e ./sdk; \
	else \
		set -ex; \
		test -x $(BIN)/python || "$(PYTHON)" -m venv .venv; \
		$(BIN)/python -m pip install --require-hashes -r requirements-dev.lock; \
		$(BIN)/python -m pip install --no-deps --no-build-isolation -e . -e ./sdk; \
	fi
	@touch $(READY)

clean: ## remove what the targets above made
	-python3 hatch_build.py --clean
	rm -rf .venv tests/slack_types/node_modules tests/asyncapi/node_modules .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
