#!/usr/bin/env bash
# Starts a throw-away Postgres, runs every test against it, and removes it again.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/postgres.sh

start_postgres -c fsync=off
CHANCERY_TEST_DATABASE_URL=$postgres_url cargo test --workspace --locked
