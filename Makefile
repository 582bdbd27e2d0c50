# Every verb of this repository; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Four workers for two cores, because tests also wait for sites, processes and clocks.
# tests/support/selection.py names the groups of tests that share a worker.
WORKERS := -n 4 --dist loadgroup --no-loadscope-reorder
PYTEST := $(BIN)/python -m pytest $(WORKERS)
# The same, with images built meanwhile. Tests that need none run first.
PYTEST_AND_IMAGES := $(BIN)/python -m tests.support.run_beside_images $(WORKERS)
# More arguments for pytest, as in `make test ARGS=--durations=40`.
ARGS ?=
# Where this is set, each process that a test starts compiles Aura again.
unexport PYTHONDONTWRITEBYTECODE
# How many sites `make demo-fleet` simulates.
SITES ?= 60
.DEFAULT_GOAL := help
.PHONY: help run demo demo-fleet test test-more test-all e2e unit chaos chaos-containers planted-errors lint lint-python lint-php format bench bench-fleet release-figures pot hashes plugin-release album screenshots prepare images images-all clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.run ## Install what Aura runs on, without starting it

run: $(VENV)/.run ## Start Aura: web, worker and scheduler; Ctrl-C stops all (PORT=8000)
	@$(BIN)/python -m app.run.serve

demo: prepare $(VENV)/.dev ## Aura plus a dockerized WordPress with outdated plugins, ready to pair
	@$(BIN)/python -m tests.wordpress.demo

demo-fleet: $(VENV)/.dev ## Aura plus simulated sites with a month of history, to look at (SITES=60, PORT=8000)
	@$(BIN)/python -m tests.fleet --sites $(SITES) $(if $(PORT),--port $(PORT)) $(ARGS)

test: prepare lint ## Run what is needed to trust a change: lint and a part of each kind of test
	$(PYTEST_AND_IMAGES) $(ARGS)

test-more: images ## Run what CI adds: PostgreSQL for all tests but the longest, every PHP, more tests on the oldest WordPress
	$(PYTEST) --all -m nightly -k "(postgresql or test_admin or test_change_run or test_contract or test_premium_updates or test_restore_copy or test_revert_update or test_require_release_age) and not 200 and not 1000 and not month" $(ARGS)

test-all: prepare lint ## Run every test there is, and list the lines of app and jobs that none runs
	$(PYTEST_AND_IMAGES) --all --cov --cov-report= $(ARGS)
	$(BIN)/coverage report --skip-covered
	@echo "Lines and branches of app/domain that no test runs:"
	$(BIN)/coverage report --include "app/domain/*" --show-missing --skip-covered

e2e: images ## Only the end-to-end tests: real WordPress, real browser
	$(PYTEST) $(ARGS) tests/e2e tests/matrix tests/plugin tests/rigs tests/wordpress

unit: $(VENV)/.dev ## Only the tests that need neither Docker, PHP nor a browser
	$(PYTEST) $(ARGS) $(addprefix --ignore=tests/,containers e2e matrix pages plugin rigs wordpress)

chaos: $(VENV)/.dev ## Hundreds of changes while workers, sites and replies break, with counts
	@$(BIN)/python -m tests.chaos

chaos-containers: prepare $(VENV)/.dev ## A thousand syncs and 200 updates on compose.yaml while its workers are killed
	@$(BIN)/python -m tests.chaos.containers $(ARGS)

planted-errors: images ## Plant thirty errors one at a time and see that the tests find them
	@$(BIN)/python -m tests.planted

lint: $(VENV)/.dev ## Style and types of Python; syntax and style of PHP
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-python lint-php

lint-python: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-php:
	@find wordpress-plugin tests/php-fixtures tests/rigs tests/wordpress bench -name '*.php' -print0 | xargs -0 -n 1 -P 2 php -l > /dev/null
	@command -v phpcs > /dev/null || { echo "PHP_CodeSniffer (phpcs) is missing. Install it with: make prepare" >&2; exit 1; }
	phpcs

format: $(VENV)/.dev ## Put Python files into the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pot: ## Update the translation template of SiteAgent
	@wordpress-plugin/make-pot

hashes: ## Update the hashes in requirements*.txt after changing a version
	@.ci/hashes

plugin-release: $(VENV)/.run ## Pack and sign SiteAgent for the dashboard to offer (KEY=path; made by: flask --app wsgi plugin new-key)
	@test -n "$(KEY)" || { echo "Name the private key: make plugin-release KEY=path/to/release.key" >&2; exit 1; }
	@$(BIN)/flask --app wsgi plugin release --key "$(KEY)"

bench-fleet: $(VENV)/.dev ## Measure how fast a thousand sites are synced, over HTTP
	@$(BIN)/python -m bench.fleet $(ARGS)

bench: images ## Measure what SiteAgent costs a site, against floors from the same run
	@$(BIN)/python -m bench

release-figures: images ## Run 300 updates, good and bad, on real WordPress and count how true the answers were (half an hour)
	@$(BIN)/python -m bench.releases

album: $(VENV)/.dev ## Photograph every page with sixty simulated sites into the folder album
	@$(BIN)/python -m tests.pages.album

screenshots: images-all ## Take the pictures in docs/img again, of real WordPress and of sixty simulated sites
	AURA_WRITE_SCREENSHOTS=1 $(PYTEST) --all tests/e2e
	$(BIN)/python -m tests.pages.fleet_pictures

prepare: ## Install PHP, Docker and Chromium where this may be done, else say what is missing
	@.ci/prepare

images: prepare $(VENV)/.dev ## Build the WordPress images and fetch the PHPs that `make test` needs, unless they are there
	@$(BIN)/python -m tests.support.prepare

images-all: prepare $(VENV)/.dev ## The same for every version of WordPress
	@$(BIN)/python -m tests.support.prepare --all

clean: ## Remove the virtual environment (var/ with your data stays)
	rm -rf $(VENV)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("Aura needs Python 3.11 or newer; this is %s. Name another: make PYTHON=python3.11" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is incomplete here. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements.txt
	@echo "Installing what Aura runs on (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
