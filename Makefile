# Each target makes .venv where there is none and installs what it needs there.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= --data digits
STUDIES ?= --quick

.PHONY: demo test lint bench studies clean

demo: .venv/demo
	$(BIN)/python -m examples.compare_reducers $(DEMO)

test: .venv/test
	$(MAKE) --no-print-directory lint
	# One thread for each of the two workers: more would wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench
	$(BIN)/python -m benchmarks

studies: .venv/studies
	OMP_NUM_THREADS=1 $(BIN)/python -m examples $(STUDIES)

.venv/%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(if $(filter demo,$*),plot$(comma)umap,$*)]'
	touch $@

comma := ,

clean:
	rm -rf .venv
