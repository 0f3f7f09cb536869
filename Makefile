.PHONY: run test test-unit test-cov bench

run:
	uv run tinyllm-tui

test:
	uv run pytest

test-unit:
	uv run pytest tests/unit

test-cov:
	uv run pytest --cov --cov-report=term

bench:
	uv run python -m tests.benchmarks
