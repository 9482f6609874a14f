#!/usr/bin/env bash
# Replaces nodes of another revision by nodes of this one, one by one and under load, and counts failed requests:
# scripts/upgrade.sh v1.0
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/postgres.sh

before=${1:?which revision is the release before?}
work=$(mktemp -d /tmp/chancery-upgrade.XXXXXX)
clean_up() {
    git worktree remove --force "$work/source" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
git worktree add --detach "$work/source" "$before"
# A target folder of its own: cargo takes the crates of both revisions for the same ones.
CARGO_TARGET_DIR=$PWD/target/before cargo build --locked --manifest-path "$work/source/Cargo.toml" --bin chancery
cp target/before/debug/chancery "$work/chancery"

start_postgres -c fsync=off
trap 'stop_postgres; clean_up' EXIT
CHANCERY_TEST_DATABASE_URL=$postgres_url CHANCERY_BEFORE=$work/chancery \
    cargo test --locked -p chancery-tests --test record -- --ignored --nocapture r14_
