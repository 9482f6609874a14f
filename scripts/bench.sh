#!/usr/bin/env bash
# Starts a throw-away Postgres that flushes as a real one does, and measures Chancery on it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/postgres.sh

cargo build --release --locked --bin chancery
cargo bench --locked -p chancery-tests --no-run
start_postgres -c shared_preload_libraries=pg_stat_statements
POSTGRES_BIN_DIR=$postgres_bin CHANCERY_TEST_DATABASE_URL=$postgres_url cargo bench --locked -p chancery-tests --bench load
