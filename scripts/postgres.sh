# To be sourced: a throw-away Postgres that goes with the script. It listens on a socket only.

postgres_bin=$( (ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null || true) | sort -V | tail -n 1)
[ -n "$postgres_bin" ] || { echo "Postgres server binaries are missing: install postgresql" >&2; exit 1; }

postgres_dir=$(mktemp -d /tmp/chancery-test.XXXXXX)
postgres_url="postgres://postgres@${postgres_dir//\//%2F}/postgres"

# Postgres refuses to run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
    else
        "$@"
    fi
}

stop_postgres() {
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_dir/data" -m immediate stop >/dev/null
    rm -rf "$postgres_dir"
}

# Takes further options of the server.
start_postgres() {
    [ "$(id -u)" != 0 ] || chown postgres "$postgres_dir"
    as_postgres "$postgres_bin/initdb" -D "$postgres_dir/data" -A trust -E UTF8 --locale=C.UTF-8 -U postgres >/dev/null
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_dir/data" -w -l "$postgres_dir/log" \
        -o "-c listen_addresses= -c max_connections=400 -k $postgres_dir $*" start >/dev/null
    trap stop_postgres EXIT
}
