#!/usr/bin/env bash
# Starts a throw-away Postgres, runs every test against it, and removes it again.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$( (ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null || true) | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "Postgres server binaries are missing: install postgresql" >&2; exit 1; }

dir=$(mktemp -d /tmp/chancery-test.XXXXXX)
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
fi
cd /
as "$bin/initdb" -D "$dir/data" -A trust -E UTF8 --locale=C.UTF-8 -U postgres >/dev/null
as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-c listen_addresses= -c fsync=off -c max_connections=400 -k $dir" start >/dev/null
trap 'as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null; rm -rf "$dir"' EXIT
cd "$OLDPWD"
CHANCERY_TEST_DATABASE_URL="postgres://postgres@${dir//\//%2F}/postgres" cargo test --workspace --locked
