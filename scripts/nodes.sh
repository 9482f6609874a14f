#!/usr/bin/env bash
# Runs the experiments with several nodes, at length: scripts/nodes.sh [experiment…]. An experiment is named by the beginning
# of its test, such as r5 or r14_three; without a name, all run. CHANCERY_ROUNDS says how often each is repeated (5).
# What they measured last is in docs/NODES.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/postgres.sh

command -v caddy >/dev/null || bash scripts/setup.sh test
cargo test --release --locked -p chancery-tests --test nodes --no-run
start_postgres
export POSTGRES_BIN_DIR=$postgres_bin CHANCERY_TEST_DATABASE_URL=$postgres_url CHANCERY_ROUNDS=${CHANCERY_ROUNDS:-5}
cargo test --release --locked -p chancery-tests --test nodes -- --include-ignored --nocapture "$@"
