# Two commands do all the set-up on a machine with Python 3.11 or newer, make and git:
#   make demo    installs, trains a head on the embedded digits, says where the results are
#   make test    installs if need be, runs every test
# An installed `uv` is used when there is one, else one is put into .venv first.

PYTHON ?= python3
BIN := .venv/bin
UV = $(or $(shell command -v uv),$(BIN)/uv)
READY := .venv/.ready
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: demo test browser docs lint torture wheel lecture notebooks clean

demo: $(READY)
	$(BIN)/ajuste-fino train

# Two processes of one thread each: on two cores a quarter of the time that one process takes
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# Chromium of Debian or Ubuntu, in which tests open the pages that are written; without it they are skipped, and say so
browser:
	command -v chromium || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq --no-install-recommends chromium; }

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The user guide and the Python reference as a site, build/docs/index.html; examples are run, and a warning is an error
docs: $(READY)
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt '.[docs]'
	$(BIN)/sphinx-build -q -W --keep-going -b doctest docs build/doctest
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

# What goes wrong in systems like this one, tried on it; about ten minutes. NAMES="bit-flips bombs" for some, QUICK=--quick for less
torture: $(READY)
	$(BIN)/python scripts/torture.py $(QUICK) $(NAMES)

# The wheel, installed in an empty environment and run from another folder
wheel: $(READY)
	$(BIN)/python scripts/try_wheel.py

# Every experiment of the lecture, and a page of them; about eight minutes
lecture: $(READY)
	$(BIN)/ajuste-fino lecture all

# Every notebook run at its own fast settings, nothing written; scripts/run_notebooks.py --write stores them with their outputs
notebooks: $(READY)
	$(BIN)/python scripts/run_notebooks.py

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; pass PYTHON=/path/to/one"; exit 2; }
	@echo "Installing into .venv; PyTorch alone is up to 6 GB, so the first time can take many minutes …"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev,sweep,notebooks,openvino,heif,explain,export,data,parquet,serve,browser,remote,s3]'
	touch $(READY)

clean:
	rm -rf .venv build dist
