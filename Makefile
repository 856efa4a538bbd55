# Both commands work from nothing but make and Python 3.11 or newer, on Linux and macOS:
#   make book    the book in _build/html, every notebook executed anew
#   make test    lint, types, unit tests, notebooks against their stored outputs
# More of the tests, of networks and packages of other people's, for which it installs these:
#   make test-all
# and, for those who doubt the page on speed, on an idle machine:
#   make benchmarks
# Another Python: make book PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
STAMP_ALL := .venv/.installed-all

.PHONY: book test test-slow test-all env lint refresh benchmarks clean

book: $(STAMP)
	$(BIN)/python book/build_book.py build

test: lint
	$(BIN)/python -m pytest -n 2
	$(BIN)/python -m pytest --nbval notebooks -n 2 --dist loadfile

test-slow: $(STAMP_ALL)
	$(BIN)/python -m pytest -n 2 -m slow

test-all: test test-slow

env: $(STAMP)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

# Stored outputs are only ever written by this command, never by hand.
refresh: $(STAMP)
	$(BIN)/python book/build_book.py refresh

# Writes results/benchmarks/speed.csv, which the page on speed reads.
benchmarks: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf _build/* _build/.doctrees build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find dropnet_core tests book notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
	find notebooks -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

# The import builds matplotlib's font cache, which otherwise announces itself in the first notebook; _build is
# there so that Papermill, which makes no folders, can be told to write into it.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Installing into .venv (a few minutes, about 1.5 GB; more where torch comes with its GPU libraries)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[book,test]'
	$(BIN)/python -c 'import matplotlib.font_manager'
	mkdir -p _build
	touch $(STAMP)

$(STAMP_ALL): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[book,test,onnx,test-all]'
	touch $(STAMP_ALL)
