#!/usr/bin/env bash
# Proves deploy/observability with the real programs: promtool, Prometheus, a collector, fail2ban and CrowdSec. Installs
# them on Debian where it may; touches none of their system configuration.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/postgres.sh
shipped="$PWD/deploy/observability"
export CHANCERY_OBSERVABILITY="$PWD/target/observability"
rm -rf "$CHANCERY_OBSERVABILITY"/*.log "$CHANCERY_OBSERVABILITY/tsdb" "$CHANCERY_OBSERVABILITY/crowdsec"
mkdir -p "$CHANCERY_OBSERVABILITY"

missing=()
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
command -v fail2ban-regex >/dev/null || missing+=(fail2ban)
command -v crowdsec >/dev/null && command -v cscli >/dev/null || missing+=(crowdsec)
if [ ${#missing[@]} -gt 0 ]; then
    # CrowdSec wants to register with its makers when it is installed; without a network to them it is there all the same.
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || true
fi
if [ ! -x "$CHANCERY_OBSERVABILITY/rotel-agent" ]; then
    python3 -m venv "$CHANCERY_OBSERVABILITY/python"
    "$CHANCERY_OBSERVABILITY/python/bin/pip" install --quiet --disable-pip-version-check --no-deps rotel==0.0.1a15
    ln -s "$CHANCERY_OBSERVABILITY"/python/lib/python3*/site-packages/rotel/rotel-agent "$CHANCERY_OBSERVABILITY/"
fi

echo "== promtool"
(cd "$shipped/prometheus" && promtool check config prometheus.yml && promtool test rules chancery.rules.test.yml)

echo "== a collector, Prometheus, the dashboard and the rules"
start_postgres -c fsync=off
CHANCERY_TEST_DATABASE_URL=$postgres_url cargo test --locked -p chancery-tests --test telemetry -- \
    --ignored --nocapture --test-threads 1

echo "== fail2ban"
for format in text json logfmt; do
    fail2ban-regex "$CHANCERY_OBSERVABILITY/$format.log" "$shipped/fail2ban/filter.d/chancery.conf" --out ip |
        tee "$CHANCERY_OBSERVABILITY/banned"
    [ "$(cat "$CHANCERY_OBSERVABILITY/banned")" = 203.0.113.7 ] || { echo "$format: no or another address" >&2; exit 1; }
done

echo "== CrowdSec"
home="$CHANCERY_OBSERVABILITY/crowdsec"
hub=/usr/share/crowdsec/hub
mkdir -p "$home"/{parsers/{s00-raw,s01-parse,s02-enrich},scenarios,notifications,data,acquis.d}
cp -r "$hub" "$home/hub"
cp -r /etc/crowdsec/{patterns,profiles.yaml,simulation.yaml} "$home/"
cp "$hub/parsers/s00-raw/crowdsecurity/syslog-logs.yaml" "$home/parsers/s00-raw/"
cp "$hub/parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml" "$home/parsers/s02-enrich/"
cp "$shipped/crowdsec/parsers/chancery-logs.yaml" "$home/parsers/s01-parse/"
cp "$shipped/crowdsec/scenarios/chancery-bf.yaml" "$home/scenarios/"
touch "$home/acquis.yaml" "$home/credentials.yaml"
cat >"$home/config.yaml" <<YAML
common: { daemonize: false, log_media: stdout, log_level: error, working_dir: . }
config_paths:
  config_dir: $home/
  data_dir: $home/data/
  simulation_path: $home/simulation.yaml
  hub_dir: $home/hub/
  index_path: $home/hub/.index.json
  notification_dir: $home/notifications/
  plugin_dir: /usr/lib/crowdsec/plugins/
crowdsec_service: { acquisition_path: $home/acquis.yaml, acquisition_dir: $home/acquis.d, parser_routines: 1 }
cscli: { output: human }
db_config: { type: sqlite, db_path: $home/data/crowdsec.db, use_wal: false, log_level: error }
plugin_config: { user: nobody, group: nogroup }
api:
  client: { credentials_path: $home/credentials.yaml }
  server: { listen_uri: "127.0.0.1:18080", profiles_path: $home/profiles.yaml, log_level: error }
prometheus: { enabled: false }
YAML
cscli -c "$home/config.yaml" machines add probe --auto --force -f "$home/credentials.yaml" 2>/dev/null
crowdsec -no-cs -c "$home/config.yaml" >"$home/log" 2>&1 &
trap 'kill %1; stop_postgres' EXIT
sleep 3
grep -h "authentication failed" "$CHANCERY_OBSERVABILITY"/{text,json,logfmt}.log >"$home/chancery.log"
# The journal's lines, as `journalctl` tells them to CrowdSec, which reads them by the type of the shipped acquisition.
sed 's/^/Nov 24 15:20:01 host chancery[123]: /' "$home/chancery.log" >"$home/journal.log"
journal=$(sed -n 's/^  type: //p' "$shipped/crowdsec/acquis.yaml")
for lines in chancery:chancery "journal:$journal"; do
    cscli -c "$home/config.yaml" explain --file "$home/${lines%:*}.log" --type "${lines#*:}" -v | tee "$home/explained"
    [ "$(grep -c 'evt.Meta.source_ip : 203.0.113.7' "$home/explained")" = 3 ] || { echo "CrowdSec missed a line" >&2; exit 1; }
    [ "$(grep -c '🟢 chancery/chancery-bf' "$home/explained")" = 3 ] || { echo "no bucket took a line" >&2; exit 1; }
done
echo "== all of it holds"
