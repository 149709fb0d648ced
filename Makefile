# A fresh machine needs python3.11 (with pip and venv), make and git. `make` alone says what there is.

# The browser group drives Debian's Chromium, which draws text in DejaVu; strace counts the writes of one log() call; gcc builds
# the library that refuses locks. The cluster group has an sshd with two factors, Slurm with PBS commands, a calculation to run there
# and the shells of other systems.
SYSTEM_PACKAGES := chromium faketime fonts-dejavu-core gcc libc6-dev strace \
	openssh-client openssh-server libpam-google-authenticator oathtool munge slurmctld slurmd slurm-client \
	slurm-wlm-basic-plugins slurm-wlm-torque elk-lapw busybox shellcheck

BIN := .venv/bin
VENV := .venv/installed
LOCK := tools/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-config

.DELETE_ON_ERROR:
.PHONY: help demo test check bench bench-quick soak lock clean venv system-packages

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV) ## show tasuki at work on this machine (ARGS=--check: and check it)
	$(BIN)/tasuki demo $(ARGS)

test: $(VENV) system-packages ## run all groups of tests, or one (GROUP=unit ARGS="-k relay")
	@$(BIN)/python tests/groups.py $(GROUP) $(if $(GROUP),$(ARGS))

check: $(VENV) ## lint, format, types, layers, dependencies, spelling, names and prose
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict src $(wildcard tests/typing)
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry src
	$(BIN)/codespell
	$(BIN)/python -m tools.check_style

bench: $(VENV) ## run every benchmark, beside all peers (ARGS="--only server")
	$(BIN)/python -m benchmarks.all $(ARGS)

bench-quick: $(VENV) ## run the benchmarks that take seconds, beside trackio
	$(BIN)/python -m benchmarks.quick $(ARGS)

soak: $(VENV) ## kill clients and servers at random for 11 minutes, then run the chaos tests and those of the agent for a long time
	$(BIN)/python -m tests.support.chaos_schedule
	TASUKI_SOAK=1 $(BIN)/python -m pytest --timeout=0 tests/chaos tests/cluster/test_agent.py $(ARGS)

lock: ## resolve the pinned requirements anew (ARGS=--upgrade: to the newest)
	echo uv | $(LOCK) --no-annotate $(ARGS) --output-file requirements/uv.txt -
	$(LOCK) $(ARGS) pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) $(ARGS) pyproject.toml --extra demo --extra hpc --extra mcp --extra notify --group dev --constraint requirements/runtime.txt \
		--output-file requirements/dev.txt
	@! grep --line-number :// requirements/*.txt || { echo "a lock file names a host" >&2; exit 1; }

clean: ## remove what make has made
	rm -rf .venv .uv .bench dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: $(VENV) ## make .venv with everything pinned in requirements/dev.txt

$(VENV): pyproject.toml requirements/dev.txt
	test -x $(BIN)/python || \
		tools/uv venv --quiet --clear --python "$$(tools/python -c 'import sys; print(sys.executable)')" .venv
	tools/uv pip sync --quiet --compile-bytecode --python .venv --require-hashes requirements/dev.txt
	tools/uv pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

system-packages:
	@tools/system-packages $(SYSTEM_PACKAGES)
