.DEFAULT_GOAL := help
.PHONY: help run test test-unit test-cov bench

help: ## print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: ## open the cockpit
	uv run tinyllm-tui

test: ## run all tests
	uv run pytest

test-unit: ## run the unit tests alone
	uv run pytest tests/unit

test-cov: ## run all tests, and report what they cover
	uv run pytest --cov --cov-report=term

bench: ## measure what has a budget
	uv run python -m tests.benchmarks
