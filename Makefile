# `make` alone lists the targets. Everything runs in .venv, which `setup` makes from a lock with hashes.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TIME ?= 10m

$(STAMP): requirements/dev.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup demo test guard lint soak fuzz mutation bench bench-full bench-peers docs lock clean help

setup: $(STAMP) ## Make .venv with everything, pinned with hashes

demo: setup ## Several clients, a hostile network, every file whole
	@$(BIN)/python -m demo

test: setup ## Everything that is proved, in a few minutes
	@$(BIN)/pytest -n auto --dist worksteal -q

guard: setup ## Write down anew what make test guards of speed: goodput, bytes, calls (read the diff)
	@$(BIN)/python tests/guard/remembered.py

lint: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: setup ## How fast it is here, in under five minutes, without root
	@$(BIN)/python -m bench.quick

bench-peers: ## Install what the bench compares with (Debian's packages, as root)
	apt-get install --yes --no-install-recommends rsync openssh-client openssh-server uftp srt-tools \
		ngtcp2-client ngtcp2-server openssl iperf3 iproute2 gcc libc6-dev

bench-full: setup ## Every table and every target, over emulated links, as root; takes hours (ARGS=--help)
	@$(BIN)/python -m bench.full $(ARGS)

soak: setup ## Simulator and real processes under mayhem for TIME (default 10m)
	@$(BIN)/python tests/soak/soaking.py --time $(TIME)

fuzz: setup ## Decoders and engines for TIME, guided by coverage where atheris can be had
	@$(BIN)/python -c "import atheris" 2>/dev/null || $(BIN)/python -m pip install --quiet --only-binary :all: \
		--disable-pip-version-check --require-hashes -r requirements/fuzz.lock || true
	@$(BIN)/python tests/fuzz/fuzzing.py --time $(TIME)

mutation: setup ## How many changes to transport and wire the tests notice, within TIME
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/mutation.lock
	@$(BIN)/python tests/mutation/mutating.py --time $(TIME)

docs: setup ## Pictures and tables that a program makes, and whether links lead somewhere
	@$(BIN)/python -m docs.workshop

lock: setup ## Pin the newest versions that fit (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group dev pyproject.toml --upgrade -o requirements/dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header pyproject.toml -c requirements/dev.lock --upgrade -o requirements/run.lock
	for group in fuzz mutation; do uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --group $$group --upgrade -o requirements/$$group.lock; done

clean: ## Remove what was made
	rm -rf $(VENV) build dist bench/results .mutation .fuzz .soak .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
