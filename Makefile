# Two commands do everything: `make demo` and `make test`. Both bring what they need.
UV_VERSION = 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PYTHON ?= python3
ARGS ?=
# Every flow run is a process that imports Prefect: compiled modules are kept even where the environment says not to.
RUN = env -u PYTHONDONTWRITEBYTECODE VIRTUAL_ENV=$(CURDIR)/.venv PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: demo test test-deep kill-matrix prefect-faults lint bench lock environment

demo: environment ## the main job, on the embedded sandbox
	@$(RUN) python -m deployments.demo $(ARGS)

test: environment ## every test
	@$(RUN) python -m pytest -n 2 --dist loadgroup $(ARGS)

test-deep: environment ## 10,000 stories of the state machine and many random migrations, new ones each time
	@$(RUN) python -m pytest tests/state_machine tests/promoter/schema/test_random_migrations.py -n 2 --timeout 7200 --hypothesis-profile deep $(ARGS)

kill-matrix: environment ## a promotion and its way back, killed at every external call
	@$(RUN) python -m tests.kill_matrix $(ARGS)

prefect-faults: environment ## every fault with a real Prefect server and worker; writes docs/prefect-faults.md
	@$(RUN) python -m tests.stories.faults $(ARGS)

lint: environment ## style, types and templates
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) cfn-lint deployments/aws/*.yaml

bench: environment ## ratios, printed
	@$(RUN) python -m deployments.bench $(ARGS)

environment: .venv/.complete ## the locked environment

.venv/.complete: requirements.lock pyproject.toml $(filter .uv/bin/uv,$(UV))
	@$(UV) venv --quiet --allow-existing --python '>=3.11' .venv
	@VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.uv/bin/uv:
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

lock: $(filter .uv/bin/uv,$(UV)) ## renew requirements.lock from pyproject.toml
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --all-extras pyproject.toml --output-file requirements.lock
