.PHONY: help run test bench fmt lint

help:
	@echo "make run    build Chancery and start it at http://localhost:1411"
	@echo "make test   run all tests"
	@echo "make bench  measure, beside what a plain Postgres client measures"
	@echo "make lint   formatting and clippy, warnings denied"

run:
	@bash scripts/setup.sh run
	@cargo run --release --locked --bin chancery

test:
	@bash scripts/setup.sh test
	@bash scripts/test.sh

bench:
	@bash scripts/setup.sh bench
	@bash scripts/bench.sh

fmt:
	@cargo fmt

lint:
	@cargo fmt --check
	@cargo clippy --workspace --all-targets --locked -- -D warnings
