# The one door to the project: `make demo` and `make test` work on a bare Debian 12 with Python 3.11; CI calls .ci/run, which
# stands behind `make test`. Every target sets up what it needs first; nothing is installed twice.
PYTHON ?= python3
VENV ?= .venv
RUN = PYTHONPATH=src:python:. $(VENV)/bin/python
ARGS ?=

.PHONY: help demo test fast bench asan fuzz lint wheel docs build setup clean

help:  ## these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml .ci/setup .ci/requirements.py
	@PYTHON=$(PYTHON) VENV=$(VENV) .ci/setup

build: setup  ## compile the engine in place (only what changed)
	@$(VENV)/bin/python setup.py --quiet build_ext --inplace

demo: build  ## two servers, the proxy before them, traffic, and the death of one server
	@$(RUN) examples/demo/demo.py $(ARGS)

test: build  ## all tests
	@$(RUN) -m pytest $(ARGS)

fast: build  ## the tests that take less than a quarter of a second each
	@$(RUN) -m pytest -q -m "not slow" $(ARGS)

bench: build  ## the peer comparison, kept in bench/results/ and written into the README
	@$(RUN) -m bench $(ARGS)
	@$(RUN) docs/fill.py bench

asan: build  ## tests of the engine under AddressSanitizer and UBSan
	@PYTHON=$(abspath $(VENV))/bin/python .ci/asan $(ARGS)

fuzz: build  ## the fuzz targets of the codecs; ARGS is theirs
	@$(RUN) -m tests.fuzz $(ARGS)

lint: setup  ## ruff, mypy --strict on the Python face, cython-lint
	@VENV=$(VENV) .ci/lint

wheel: setup  ## sdist and wheel in dist/, repaired, installed into an empty environment and tried
	@VENV=$(VENV) .ci/wheel

docs: build  ## run every snippet of the papers; write docs/fields.md, and the differential score into the README
	@$(RUN) docs/fields.py
	@$(RUN) docs/fill.py differential
	@$(RUN) -m pytest -q tests/docs $(ARGS)

clean:  ## remove what was built; the environment stays
	rm -rf build dist wheelhouse *.egg-info src/*.egg-info python/*.egg-info
	find src -name '*.so' -delete
	find src -path src/meshcore/_native -prune -o \( -name '*.c' -o -name '*.html' \) -delete
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
