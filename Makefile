# Every target sets up .venv if it is missing or older than what it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# What depends on kernels.
REFERENCE_TESTS := tests/ops/test_library.py tests/ops/test_backends.py tests/gates/test_distributions.py \
	-k "not TorchNoise and not OwnDistribution and not TestGaussian and not differentiated and not compiles"
# A process for each core, each with one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := test
.PHONY: demo test test-reference lint docs bench wheel sanitize setup

setup: $(STAMP)

# torch comes first and builds are not isolated: an isolated build would fetch a torch of its own. Where there is a
# C++ compiler the CPU kernels are built.
$(STAMP): pyproject.toml setup.py constraints.txt $(wildcard src/l0gates/ops/cpu/*)
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) pip setuptools wheel ninja
	$(PIP) torch
	$(PIP) --no-build-isolation --editable '.[select,dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/l0gates select --demo breast-cancer

test: $(STAMP) test-reference
	$(PYTEST)

# The ops and the gates once more, without compiled kernels.
test-reference: $(STAMP)
	L0GATES_KERNELS=reference $(PYTEST) $(REFERENCE_TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b html docs docs/_build/html

# A wheel, tried in a fresh environment.
wheel: $(STAMP)
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .
	$(PYTHON) -m venv --clear build/try
	build/try/bin/python -m pip install --quiet --constraint constraints.txt torch
	build/try/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd build && try/bin/l0gates backends && try/bin/python ../tests/smoke.py

# The CPU kernels' tests under AddressSanitizer and UndefinedBehaviorSanitizer. The tree is copied, so that the
# kernels in use stay as they are.
sanitize: $(STAMP)
	rm -rf build/sanitize && mkdir -p build/sanitize
	cp -r src tests examples docs README.md pyproject.toml setup.py build/sanitize
	cd build/sanitize && L0GATES_SANITIZE=1 ../../$(BIN)/python setup.py --quiet build_ext --inplace
	cd build/sanitize && LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		../../$(BIN)/python -m pytest tests/ops/test_cpu.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH)
