# Every target that a person types says what it does behind `##`; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run demo bench test test-fast fuzz laws mutants lint types format lock migrate docs client k8s-check image-check up down simulators set-up set-up-run clean

export LC_ALL := C.UTF-8
export PYTHONUTF8 := 1
python := .venv/bin/python
distributions := shared $(wildcard services/*)

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

set-up:
	@sh tools/setup.sh dev

set-up-run:
	@sh tools/setup.sh run

run: set-up-run ## First sync of 10,000 contacts against the simulators, then serve until stopped (REAL=1, KEEP=1)
	@$(python) -m standalone run $(ARGS)

demo: set-up-run ## The same, and end after the reports
	@$(python) -m standalone demo $(ARGS)

k8s-check: set-up ## Render deploy/k8s and check it against the schemas of several versions, with the compose file and the image's recipe
	@$(python) -m pytest -n 0 tests/unit/deploy $(ARGS)

image-check: set-up ## Build the image and run every role of it (needs docker or podman; see tests/images/engine.py)
	@$(python) -m tests.support.run -n 0 -m image tests/images $(ARGS)

up: ## Start Contact Sync on this machine in containers: PostgreSQL, RabbitMQ, every role (docker compose)
	@deploy/compose/prepare.sh
	@docker compose --file deploy/compose/compose.yaml up --detach --build --wait $(ARGS)

down: ## Stop it; its data stay
	@docker compose --file deploy/compose/compose.yaml down $(ARGS)

simulators: set-up-run ## Zoho CRM and Google People as local servers, until stopped (ARGS=--help)
	@$(python) -m simulators $(ARGS)

test: set-up ## Run every suite, against private PostgreSQL and RabbitMQ servers that it starts and stops
	@$(python) -m tests.support.run $(ARGS)

test-fast: set-up ## Run the tests that need no server
	@$(python) -m pytest -n 2 -m "not (postgres or rabbitmq or process or browser or image)" $(ARGS)

mutants: set-up ## Break the product in many small ways, one at a time; a test must notice each (long)
	@$(python) -m tests.support.run tests/mutants/each.py $(ARGS)

bench: set-up ## What a sync costs, config-api beside bare FastAPI, a flood of calls, from edit to write (long; ARGS, API_ARGS)
	@$(python) -m benchmarks $(ARGS)
	@$(python) -m benchmarks.config_api $(API_ARGS)
	@$(python) -m benchmarks.webhooks $(WEBHOOK_ARGS)
	@$(python) -m benchmarks.latency $(LATENCY_ARGS)

fuzz: set-up ## Ask config-api 20,000 random requests and compare each answer with the description (CASES=n)
	@CASES=$${CASES:-20000} $(python) -m tests.support.run -n 0 tests/integration/config_api/test_interface.py $(ARGS)
	@CASES=$${CASES:-10000} $(python) -m tests.support.run -n 0 tests/integration/config_api/test_tenant_walls.py $(ARGS)

laws: set-up ## Two people at work on both books at random; every run is held to its laws (CASES=n, STEPS=n)
	@CASES=$${CASES:-1000} STEPS=$${STEPS:-50} $(python) -m pytest -n 0 -rP tests/integration/rules/test_machine.py $(ARGS)

lint: set-up ## Check style, types, directions of imports, dependencies and hygiene
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/lint-imports --no-logo
	@$(python) tools/hygiene.py
	@for distribution in $(distributions); do \
		(cd $$distribution && "$(CURDIR)/.venv/bin/deptry" --no-ansi .) || exit 1; done
	@.venv/bin/mypy

types: set-up ## Check the types alone
	@.venv/bin/mypy

format: set-up ## Put the code in its standard form
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

lock: set-up ## Resolve the dependencies anew and write the hashed locks (ARGS=--upgrade for newer versions)
	@tools/lock.sh $(ARGS)

docs: set-up ## Write the tables of settings and metrics, and .env.example, from the code
	@$(python) -m tools.reference

client: set-up ## Write the TypeScript types of the HTTP interface
	@$(python) tools/typescript.py

clean: ## Delete the environment, caches and private servers of this folder
	rm -rf .venv .cache .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
