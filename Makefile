# `make` lists the targets. Every target sets up what it needs, in .venv, at its first run.
# All paths are relative: the folder may have spaces in its name.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# The Python that makes .venv, 3.11 to 3.14. The newest one found, unless named: make setup PYTHON=python3.12
# One of another version than .venv's makes it anew.
PYTHON ?=
PYTHONS := python3.14 python3.13 python3.12 python3.11 python3 python
# What `make demo` and `make test` hand on: make demo DEMO_ARGS="--payments 50", make test TEST_ARGS="-k ladder"
DEMO_ARGS ?=
# make bench BENCH_ARGS="--rounds 3"
# make bench BENCH_ARGS=--continue
BENCH_ARGS ?=
# make measure MEASURE_ARGS="lateness --small"
MEASURE_ARGS ?=
# make measure-operator OPERATOR_ARGS="--attempts 300000 --letters 5000"
OPERATOR_ARGS ?=
# make demo KEEP=1 leaves it all running
KEEP ?=
TEST_ARGS ?=
# In how many processes the tests run: make test TEST_PROCESSES=0 runs them in one, as -s and --pdb want it
TEST_PROCESSES ?= auto
IMAGE ?= payment-notifier:dev

BIN := .venv/bin
PY := $(BIN)/python
# Written last and holding the folder's name, so that a half-made or moved .venv is made anew.
STAMP := .venv/.installed
IS_WHOLE := test "$$(cat $(STAMP) 2>/dev/null)" = "$$(pwd -P)" && $(PY) -I -c 'import pip' 2>/dev/null
ifdef PYTHON
TELL_VERSION := -I -c 'import sys; print(sys.version_info[:2])' 2>/dev/null
IS_WHOLE += && test "$$("$(PYTHON)" $(TELL_VERSION))" = "$$($(PY) $(TELL_VERSION))"
endif
ifneq ($(shell $(IS_WHOLE) && echo whole),whole)
$(STAMP): broken
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Else the user's would have pip install elsewhere than in .venv, or leave out what stands elsewhere.
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PYTHONPATH
# Some images set it; each of the some hundred processes that the tests start would compile everything it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-unit test-faults simulate endure model mutants test-image image measure reliability check format lock docs wheel clean ci broken fuzz sbom bench bench-curves bench-smoke measure-operator docs-pictures audit

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## make .venv with everything locked in requirements/dev.txt
	@echo "[setup] .venv is as requirements/dev.txt says"

$(STAMP): requirements/dev.txt pyproject.toml
	@set -e; \
	if ! { $(IS_WHOLE); }; then \
	  for python in $(if $(PYTHON),"$(PYTHON)",$(PYTHONS)); do \
	    "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && break; \
	    python=; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "Looked for $(or $(PYTHON),$(PYTHONS)): none is a Python 3.11 to 3.14 with venv and pip." >&2; \
	    echo "Install one (Debian and Ubuntu keep venv in a package of its own, such as python3.12-venv), or name it: make setup PYTHON=..." >&2; \
	    exit 1; \
	  fi; \
	  echo "[setup] making .venv with $$("$$python" --version)"; \
	  "$$python" -m venv --clear .venv; \
	fi; \
	rm -f $(STAMP); \
	echo "[setup] installing $$(grep -c '^[A-Za-z0-9].*==' requirements/dev.txt) locked packages, which takes a minute or two the first time"; \
	$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt; \
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	printf '%s\n' "$$(pwd -P)" > $(STAMP)

demo: $(STAMP) ## run the main job once: a real broker, a partner, some hundred payments
	@$(PY) -m streams.sandbox.demo_main $(DEMO_ARGS) $(if $(KEEP),--keep)

test: $(STAMP) ## run every test but the faults, then hold the coverage
	@rm -f .coverage .coverage.*
	@$(PY) -m streams.sandbox.java_cache
	@$(PY) -m coverage run -m pytest -n $(TEST_PROCESSES) -m 'not faults and not image' $(TEST_ARGS)
	@$(PY) -m coverage combine --quiet
	@status=0; \
	echo "[test] coverage of everything, asked is what pyproject.toml says"; \
	$(PY) -m coverage report || status=1; \
	echo "[test] coverage of the rules and the wire models, asked is 100 %"; \
	$(PY) -m coverage report --include 'streams/notification/*,schemas/*' --fail-under 100 || status=1; \
	exit $$status

test-unit: $(STAMP) ## run the rules, the wire models and every other part by itself, in memory; less than a minute
	@$(PY) -m pytest -q -n 2 -m 'not kafka and not e2e' tests/unit tests/property tests/agents $(TEST_ARGS)

test-image: $(STAMP) ## build the container image and run it; needs root, buildah, debootstrap and runc
	@$(PY) -m pytest -q tests/image $(TEST_ARGS)

image: ## build the container image with docker, podman or buildah; IMAGE=name:tag
	@for builder in docker podman buildah; do command -v $$builder >/dev/null && break; builder=; done; \
	if [ -z "$$builder" ]; then echo "Looked for docker, podman and buildah: none is there." >&2; exit 1; fi; \
	$$builder build --build-arg "VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
	  --build-arg "REVISION=$$(git rev-parse HEAD 2>/dev/null)" --tag $(IMAGE) .

test-faults: $(STAMP) ## break everything under load, and account for every event; a quarter of an hour
	@$(PY) -m pytest -q -s -m faults $(TEST_ARGS) tests/faults

# make simulate WORLDS=500 SEED=7; REPLAY=12 plays one again and tells it, SHRINK=12 looks for a smaller one that goes wrong too;
# GO_ON=1 runs those behind the last ones, or the published ones, and adds their figures; HOURS=24 runs one long world instead, in which everything
# goes wrong by turns
simulate: $(STAMP) ## run worlds in virtual time, each with faults of its own: the worker's own code on a model of Kafka; a minute and a half
	@PYTHONHASHSEED=0 $(PY) -m tests.simulation --worlds $(or $(WORLDS),500) --seed $(or $(SEED),1) \
	  $(if $(GO_ON),--go-on) $(if $(REPLAY),--replay $(REPLAY)) $(if $(SHRINK),--shrink $(SHRINK)) $(if $(HOURS),--hours $(HOURS))

measure: $(STAMP) ## measure isolation, waits and takeovers; half an hour of a machine that does nothing else
	@$(PY) -m tests.faults.measure $(MEASURE_ARGS)

endure: $(STAMP) ## send a million notifications through one worker, which must not grow; 20 minutes of a quiet machine. NOTIFICATIONS=200000
	@$(PY) -m benchmarks.endurance --notifications $(or $(NOTIFICATIONS),1000000)

# make ci and shorter runs (WORLDS=5, HOURS=1) write over the figures of longer ones. What a report has is written also where
# another one fails.
reliability: $(STAMP) ## write the figures of the last test-faults, measure, simulate and endure into docs/reliability.md; run it directly after them
	@status=0; for report in tests.faults.report tests.simulation.report benchmarks.endurance_report; do $(PY) -m $$report || status=1; done; exit $$status

bench: $(STAMP) ## measure the notifier beside its peers into docs/performance.md; half an hour of a machine that does nothing else
	@status=0; for what in "all $(BENCH_ARGS)" start "idle --rounds 3" report; do \
	  $(PY) -m benchmarks $$what || status=$$?; \
	  test $$status -lt 2 || exit $$status; \
	done; exit $$status

bench-curves: $(STAMP) ## measure it against in-flight, partitions, partners, backlog and body size; ten minutes alike
	@$(PY) -m benchmarks curves $(BENCH_ARGS)
	@$(PY) -m benchmarks report

bench-smoke: $(STAMP) ## measure one short round beside the hand-written consumer; a minute
	@$(PY) -m benchmarks smoke

measure-operator: $(STAMP) ## measure what an operator waits for, on a month of many payments; half an hour
	@$(PY) -m benchmarks.operator $(OPERATOR_ARGS)

CHECKS := check-format check-lint check-types check-imports check-dependencies check-dead-code \
  check-spelling check-test-docstrings check-docs check-tracked-files
.PHONY: $(CHECKS)

fuzz: $(STAMP) ## feed 100,000 broken events, records, answers and partners files; FUZZ_SEED=2 makes others
	@FUZZ_CASES=$(or $(FUZZ_CASES),100000) $(PY) -m pytest -q $(TEST_ARGS) tests/fuzz

model: $(STAMP) ## look at every interleaving of small worlds, the larger ones too; minutes. MODEL_ARGS=--ways shows broken ones
	@$(PY) -m tests.model $(MODEL_ARGS)

# Beside the other packages: mutmut wants a newer click than Faust takes. It keeps verdicts of earlier runs, also where tests have changed.
mutants: $(STAMP) ## change the rules a little, again and again, and see whether the tests notice; a quarter of an hour
	@$(PY) -m uv pip install --quiet --no-config --require-hashes --target .venv/mutants -r requirements/mutants.txt
	@rm -rf mutants
	@export PYTHONPATH="$$PWD/.venv/mutants"; status=0; $(PY) -m tests.mutants || status=$$?; \
	echo "[mutants] $$($(PY) -m mutmut results | grep -c ': timeout$$') took too long, which counts as noticed"; exit $$status

check: $(STAMP) ## run every check, all of them even when one fails
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)
	@echo "[check] all is well"

check-format: $(STAMP)
	@echo "[check] format" && $(PY) -m ruff format --quiet --check --output-format concise .
check-lint: $(STAMP)
	@echo "[check] lint" && $(PY) -m ruff check --quiet --output-format concise .
check-types: $(STAMP)
	@echo "[check] types" && $(PY) -m mypy --no-error-summary
check-imports: $(STAMP)
	@echo "[check] import contracts" && $(BIN)/lint-imports --no-logo
check-dependencies: $(STAMP)
	@echo "[check] dependencies" && $(PY) -m deptry --no-ansi streams schemas
check-dead-code: $(STAMP)
	@echo "[check] dead code" && $(PY) -m vulture
check-spelling: $(STAMP)
	@echo "[check] spelling" && $(PY) -m codespell_lib
check-test-docstrings: $(STAMP)
	@echo "[check] every test says what it proves" && $(PY) -m interrogate --quiet tests
check-docs: $(STAMP)
	@echo "[check] generated pages" && $(PY) docs/generate.py --check
check-tracked-files: $(STAMP)
	@echo "[check] tracked files and locks" && $(PY) -m pytest -q tests/packaging/test_tracked_files.py tests/packaging/test_locks.py

format: $(STAMP) ## format, and mend what ruff can mend by itself
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .

# The header names this command and no address: uv writes none unless asked to.
COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command 'make lock' pyproject.toml
lock: $(STAMP) ## write requirements/*.txt anew from pyproject.toml; LOCK_ARGS=--upgrade takes newer versions
	@$(COMPILE) $(LOCK_ARGS) --output-file requirements/runtime.txt
	@$(COMPILE) $(LOCK_ARGS) --extra console --extra tracing --extra msk-iam --constraint requirements/runtime.txt --output-file requirements/image.txt
	@$(COMPILE) $(LOCK_ARGS) --extra sandbox --extra tracing --extra console --extra msk-iam --group dev --constraint requirements/image.txt --output-file requirements/dev.txt
	@$(subst pyproject.toml,--group build,$(COMPILE)) $(LOCK_ARGS) --constraint requirements/dev.txt --output-file requirements/build.txt
	@$(subst pyproject.toml,--group mutants,$(COMPILE)) $(LOCK_ARGS) --output-file requirements/mutants.txt
	@$(PY) docs/dependencies.py

audit: $(STAMP) ## compare the locks with advisories, without a network: ADVISORIES=folder, a checkout of pypa/advisory-database
	@$(PY) requirements/audit.py $(ADVISORIES)

docs: $(STAMP) ## write the generated pages anew
	@$(PY) docs/generate.py

docs-pictures: $(STAMP) ## look at the console with a real Chromium, at a dashboard with a Prometheus, and write docs/pictures; six minutes
	@$(PY) docs/pictures.py
	@$(PY) docs/dashboard_picture.py overview

wheel: $(STAMP) sbom ## build the wheel in dist, and its list of parts
	@$(PY) -m hatchling build --target wheel

sbom: $(STAMP) ## write into dist what the wheel runs on, as CycloneDX, from the lock
	@mkdir -p dist
	@$(PY) -W ignore::UserWarning -m cyclonedx_py requirements requirements/runtime.txt --pyproject pyproject.toml \
	  --output-reproducible --of JSON -o dist/payment-notifier.cdx.json

clean: ## remove everything that make made, .venv too
	@rm -rf .venv dist htmlcov mutants .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find streams schemas tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

ci: ## do what the continuous integration does
	@bash .ci/run
