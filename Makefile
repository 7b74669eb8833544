# Each target makes its environment where there is none and installs what it needs there.
PYTHON ?= python3
BIN := .venv/bin
FLOORS := .venv-floors/bin
# The oldest releases of numpy and others have wheels for Python 3.11 and 3.12 alone.
PYTHON_FLOORS ?= $(PYTHON)
DEMO ?= --data digits
STUDIES ?= --quick
# More options for pytest, for instance PYTEST='--cov=skae' or PYTEST='--durations=40'.
PYTEST ?=

.PHONY: demo test test-floors lint bench studies docs linkcheck clean

demo: .venv/demo
	# One thread: small images gain nothing by more, and on busy cores these wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.studies.compare_reducers $(DEMO)

test: .venv/test
	$(MAKE) --no-print-directory lint
	# One thread for each of the two workers: more would wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(PYTEST)

test-floors: .venv-floors/test
	OMP_NUM_THREADS=1 $(FLOORS)/python -m pytest -n 2 \
		tests/test_contract.py tests/test_ecosystem.py tests/test_training.py

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench
	$(BIN)/python -m benchmarks

# The examples of the guide's pages, then the site, with those of the gallery; no network is needed.
docs: .venv/docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest docs/*.md docs/guide docs/coming_from
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo "The site: file://$(CURDIR)/docs/_build/html/index.html"

# The links of the site to other sites.
linkcheck: .venv/docs
	$(BIN)/python -m sphinx -b linkcheck -D plot_gallery=0 docs docs/_build/linkcheck

studies: .venv/studies
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.studies $(STUDIES)

.venv/%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(if $(filter demo,$*),plot$(comma)umap,$*)]'
	touch $@

.venv-floors/test: pyproject.toml constraints.txt .ci/floors.py
	test -x $(FLOORS)/python || $(PYTHON_FLOORS) -m venv .venv-floors
	$(FLOORS)/python .ci/floors.py > .venv-floors/floors.txt
	$(FLOORS)/python -m pip install --quiet --constraint .venv-floors/floors.txt --editable '.[plot,umap]' hypothesis pytest pytest-xdist
	touch $@

comma := ,

clean:
	rm -rf .venv .venv-floors docs/_build docs/gallery docs/generated docs/project examples/*/explorer.html
