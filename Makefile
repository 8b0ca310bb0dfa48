# Everything a person or a pull request runs. `make` alone lists it.
# The first `make up` needs only python3 (>= 3.11) with its venv module, and a package index.

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STATE_FLAG := $(if $(MOORAGE_STATE),--state "$(MOORAGE_STATE)")
PLATFORM := $(BIN)/python -m runtime.local
CODE := infra components runtime policy tests bench
STACK ?= local
# Slow tests that build, install, lint or play with their own clock: two may share the machine. The longest is first.
SHARING := tests/queue/test_state_machine.py tests/aws tests/images tests/infra tests/manifests tests/plan \
	tests/policy tests/templates tests/workflows tests/cluster

.DEFAULT_GOAL := help
.PHONY: help up down status logs check plan policy render infra test test-slow e2e lint fmt bench chaos
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help: ## list what there is
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 16

up: $(VENV)/.runtime ## check endpoints.yaml, start the platform, send one request
	@$(BIN)/python -m infra.local $(STATE_FLAG)
	@$(PLATFORM) up

down: ## stop everything that `make up` started; nothing runs afterwards
	@if [ -x $(BIN)/python ]; then $(PLATFORM) down; else echo "Nothing was ever started here."; fi

status: $(VENV)/.runtime ## every endpoint's replicas, queue and cause of waiting
	@$(PLATFORM) status

logs: $(VENV)/.runtime ## last lines of the logs: `make logs`, `make logs E=ocr`, `make logs E=ocr F=1`
	@$(PLATFORM) logs $(E) $(if $(F),--follow)

check: $(VENV)/.runtime ## check endpoints.yaml, change nothing
	@$(BIN)/python -m infra.local --check $(STATE_FLAG)

plan: $(VENV)/.infra ## what a change does: `make plan STACK=local BASE=HEAD~1 OUT=dir`
	@$(BIN)/python -m infra.brief infra.show_plan --stack "$(STACK)" $(if $(BASE),--base "$(BASE)") $(if $(OUT),--out "$(OUT)")

policy: $(VENV)/.infra ## hold a plan against the policies: `make policy STACK=prod`
	@$(BIN)/python -m infra.brief policy.check --stack "$(STACK)"

render: $(VENV)/.infra ## a stack as Kubernetes manifests: `make render STACK=local OUT=dir`
	@$(BIN)/python -m infra.brief infra.render --stack "$(STACK)" --out "$(or $(OUT),rendered/$(STACK))"

infra: $(VENV)/.infra ## what `pulumi up` needs: the environment that Pulumi.yaml names

test: lint ## what every change must pass: lint, types and the quick tests
	@$(BIN)/pytest -q -m "not slow and not e2e" -n 4 --dist worksteal

test-slow: $(VENV)/.otel ## original clients, browser, databases, long properties
	@$(BIN)/pytest -q -m slow $(foreach folder,$(SHARING),--ignore=$(folder))
	@$(BIN)/pytest -q -m slow -n 2 --dist worksteal $(SHARING)

e2e: $(VENV)/.dev ## the platform on a real Kubernetes: one built here, or yours (E2E_CONTEXT=name)
	@$(if $(E2E_CONTEXT),,PYTHONPATH=tests $(BIN)/python -m cluster run --keda --) $(BIN)/pytest -q -m e2e tests/e2e $(ARGS)

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy --no-error-summary $(CODE)

fmt: $(VENV)/.dev ## format the code and mend what can be mended
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

bench: $(VENV)/.dev ## measure gateway, queue and worker beside a direct call
	@$(BIN)/python -m bench $(ARGS)

chaos: $(VENV)/.dev ## kill every process again and again under load: `SEED=7 make chaos`
	@$(BIN)/python -m bench.chaos $(ARGS)

# The project's own environment. A stamp is as new as the requirements that were installed.
$(VENV)/.uv: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "python3 must be 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "python3 has no venv module: install it (Debian: apt install python3-venv)." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.runtime: $(VENV)/.uv requirements/runtime.txt pyproject.toml
	@echo "Installing what the platform needs"
	@$(call install,requirements/runtime.txt)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "Installing what the tests need"
	@$(call install,requirements/dev.txt)
	@touch $@

$(VENV)/.infra: $(VENV)/.runtime requirements/infra.txt
	@echo "Installing what the Pulumi program needs"
	@$(call install,requirements/infra.txt)
	@touch $@

$(VENV)/.otel: $(VENV)/.dev requirements/otel.txt
	@echo "Installing the extra for spans"
	@$(call install,requirements/otel.txt)
	@touch $@

# Exactly what is locked, checked by hash; then the project itself, from where it lies.
define install
VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes --requirements $(1) && \
VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
endef
