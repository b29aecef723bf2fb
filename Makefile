# Everything that a fresh Debian or Ubuntu needs is `make`, Python 3.10 to 3.14 and python3-venv: no ROS.
# On a machine with ROS 2, use colcon instead (README.md).

PYTHON     ?= $(shell for p in python3 python3.12 python3.11 python3.13 python3.10 python3.14; do \
                $$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null \
                && { echo $$p; break; }; done)
VENV       := .venv
LOG        := $(VENV)/pip.log
INSTALLED  := $(VENV)/.installed
PIP        := $(VENV)/bin/python -m pip --disable-pip-version-check
# The tests of a file stay together; those that run a node wait most of the time, each in a DDS domain of its own.
PYTEST      = $(VENV)/bin/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile
# Where torch comes from besides the usual index. Empty: the CPU build where there is no NVIDIA driver.
TORCH_INDEX ?=
CPU_TORCH  := https://download.pytorch.org/whl/cpu

BAG        ?=
TOPIC      ?=
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
SOAK_MINUTES ?= 10
FUZZ_MINUTES ?= 10
BENCH_ARGS ?=

# A sourced ROS installation must not leak into the virtual environment.
unexport PYTHONPATH AMENT_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH RMW_IMPLEMENTATION ROS_DISTRO

.PHONY: help demo bench test test-slow soak fuzz lint docs pictures site clean
help:
	@echo 'make demo        play a simulated recording through the live node: a table, and pictures in demo/'
	@echo '                 (your own: make demo BAG=/path/to/bag TOPIC=/points)'
	@echo 'make bench       goals, and where the time goes on this machine: tables, bench/tables.md, bench/bench.json, bench/*.png'
	@echo '                 (your own: make bench BAG=... TOPIC=..., more: BENCH_ARGS="--device cuda --sweeps 50")'
	@echo 'make test        every test but the slow ones   (make test PYTEST_ARGS="-k node -x" TEST_PROCESSES=0)'
	@echo 'make test-slow   every test'
	@echo 'make soak        the node with large clouds and every disturbance for 10 minutes (SOAK_MINUTES=1: shorter)'
	@echo 'make fuzz        every reader with damaged and hostile files for 10 minutes (FUZZ_MINUTES=60: longer); finds: fuzz/'
	@echo 'make lint        style, spelling, types and imports of the code'
	@echo 'make docs        write docs/parameters.md and config/ssrflow.* anew from the settings table'
	@echo 'make pictures    draw the pictures of the docs anew, the animation of the README too; 10 minutes'
	@echo 'make site        the documentation as a website in site/; a link that leads nowhere fails'
	@echo 'make clean       remove the virtual environment and everything that was built'
	@echo 'PYTHON=python3.12 chooses the Python, TORCH_INDEX=https://... where torch comes from.'

demo: $(INSTALLED)
	@$(VENV)/bin/ssrflow demo --overwrite $(if $(BAG),--bag '$(BAG)') $(if $(TOPIC),--topic '$(TOPIC)')

bench: $(INSTALLED)
	@$(VENV)/bin/ssrflow bench --overwrite $(if $(BAG),'$(BAG)') $(if $(TOPIC),--topic '$(TOPIC)') $(BENCH_ARGS)

test: $(INSTALLED)
	@$(PYTEST) -m 'not slow' $(PYTEST_ARGS)

test-slow: $(INSTALLED)
	@$(PYTEST) $(PYTEST_ARGS)

soak: $(INSTALLED)
	@PYTHONPATH=test $(VENV)/bin/python -m soak --minutes $(SOAK_MINUTES)

fuzz: $(INSTALLED)
	@PYTHONPATH=test $(VENV)/bin/python -m fuzz --minutes $(FUZZ_MINUTES)

lint: $(INSTALLED)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/typos
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache

docs: $(INSTALLED)
	@$(VENV)/bin/python -m ssrflow_ros.node.parameter_docs

pictures: $(INSTALLED)
	@$(VENV)/bin/python docs/figures.py

site: $(INSTALLED) $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict
	@echo 'open site/index.html'

$(VENV)/.docs: $(INSTALLED)
	@$(PIP) install -q -c constraints.txt --no-build-isolation -e '.[docs]'
	@touch $@

# One virtual environment for all of it; made anew when the pins or the dependencies change.
$(INSTALLED): constraints.txt setup.py
	@test -n '$(PYTHON)' || { echo 'make: no Python 3.10 to 3.14 found: sudo apt install python3 python3-venv,' \
		'or name one: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'make: $(PYTHON) cannot make a virtual' \
		'environment: sudo apt install python3-venv' >&2; exit 1; }
	@echo '==> once: virtual environment $(VENV) with torch and, where it has wheels, ROS 2 Jazzy, 2 to 5 minutes (log: $(LOG))'
	@$(PYTHON) -m venv $(VENV)
	@index='$(TORCH_INDEX)'; \
	if [ -z "$$index" ] && ! command -v nvidia-smi >/dev/null && $(VENV)/bin/python -c \
		'import urllib.request as u; u.urlopen("$(CPU_TORCH)/torch/", timeout=5)' 2>/dev/null; \
	then index=$(CPU_TORCH); fi; \
	step() { echo "    $$1"; shift; "$$@" >>$(LOG) 2>&1 || { tail -n 5 $(LOG) >&2; \
		echo 'make: installing failed: see $(LOG); without network, set PIP_FIND_LINKS or PIP_INDEX_URL' >&2; exit 1; }; }; \
	ros=$$($(VENV)/bin/python -c 'import platform, sys; \
		print(",ros" if platform.machine() == "x86_64" and sys.version_info < (3, 14) else "")'); \
	test -n "$$ros" || echo '    ROS 2 has no wheels for this processor or this Python: left out'; \
	: >$(LOG); \
	step 'tools' $(PIP) install -c constraints.txt pip setuptools wheel && \
	step 'torch' $(PIP) install -c constraints.txt $${index:+--extra-index-url $$index} torch && \
	step 'the rest' $(PIP) install -c constraints.txt --no-build-isolation -e ".[all$$ros,test]" && \
	step 'the metrics of the field, to test ours' $(PIP) install -c constraints.txt --no-deps bucketed-scene-flow-eval
	@touch $@

clean:
	rm -rf $(VENV) build install log demo bench fuzz site dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
