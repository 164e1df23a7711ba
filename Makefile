# Everything that a fresh machine needs is set up by the targets themselves; each is quick when there is nothing to do.

VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
TESTABLE := $(VENV)/testable
FAULTS := faults security
PROGRAMS := benchmarks browser docker documents incident lean observability packaging parity telemetry

.PHONY: install run test lint lock schema proto api bench audit

install: $(INSTALLED)
	@$(BIN)/python gateway/api/graphql/graphiql/build.py

run: install
	@$(BIN)/gateway demo

test: $(TESTABLE) lint
	@$(BIN)/python gateway/api/graphql/graphiql/build.py
	@tests/debian-packages.sh
	@# Four runs beside each other, since each waits most of the time; the output of three is shown at the end.
	@outputs=$$(mktemp -d); \
	$(BIN)/pytest $(addprefix tests/,$(FAULTS)) >"$$outputs/faults" 2>&1 & faults=$$!; \
	$(BIN)/pytest $(addprefix tests/,$(PROGRAMS)) >"$$outputs/programs" 2>&1 & programs=$$!; \
	$(BIN)/pytest tests/e2e >"$$outputs/e2e" 2>&1 & e2e=$$!; \
	$(BIN)/pytest $(addprefix --ignore=tests/,$(FAULTS) $(PROGRAMS) e2e); failed=$$?; \
	wait $$faults || failed=1; wait $$programs || failed=1; wait $$e2e || failed=1; \
	cat "$$outputs"/*; rm -r "$$outputs"; exit $$failed

lint: $(TESTABLE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/lint/names.py
	$(BIN)/python tests/lint/references.py
	$(BIN)/gateway schema --check
	$(BIN)/python -m gateway.api.grpc.generate --check

schema: install
	$(BIN)/gateway schema --out schema.graphql

proto: $(TESTABLE)
	$(BIN)/python -m gateway.api.grpc.generate

# docs/public-api.txt
api: $(TESTABLE)
	$(BIN)/python tests/public_api.py

# BENCH="--quick", BENCH="--only gateway,floor": see benchmarks/README.md
bench: $(INSTALLED)
	@benchmarks/debian-packages.sh
	$(BIN)/python -m benchmarks $(BENCH)

# Known vulnerabilities of the locked packages; it needs the databases of the package indexes, so it is no part of `test`.
audit: $(TESTABLE)
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements/dev.txt
	cd gateway/api/graphql/graphiql && npm audit --omit=dev

# The locks name every package with its hashes and no index: the pip settings of the machine decide where they come from.
lock: $(TESTABLE)
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --universal -p 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header --upgrade -o requirements/run.txt
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --group build --universal -p 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header -c requirements/run.txt -o requirements/build.txt
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --group build --group dev --universal -p 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header -c requirements/build.txt -o requirements/dev.txt

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements/build.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(TESTABLE): requirements/dev.txt $(INSTALLED)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
