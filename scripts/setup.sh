#!/usr/bin/env bash
# Installs what building (`run`), measuring (`bench`) or testing (`test`) needs, where it may; otherwise says exactly what is missing.
set -euo pipefail

missing=()
note() { echo "setup: $*" >&2; }

have_postgres() {
    command -v postgres >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null ||
        compgen -G "/opt/homebrew/opt/postgresql*/bin/postgres" >/dev/null
}

command -v cargo >/dev/null || { note "Rust is missing: see https://rustup.rs"; exit 1; }
command -v cc >/dev/null || missing+=(build-essential)
have_postgres || missing+=(postgresql)
if [ "${1:-run}" != run ]; then
    # The proxy of the deployment.
    command -v caddy >/dev/null || missing+=(caddy)
fi
if [ "${1:-run}" = test ]; then
    # The browser of the browser tests.
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
    # Relying parties of other makers, for the interoperability tests.
    command -v npm >/dev/null || missing+=(nodejs npm)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    command -v go >/dev/null || missing+=(golang-go)
    [ -d /usr/share/gocode/src/github.com/markbates/goth ] || missing+=(golang-github-markbates-goth-dev)
    [ -d /usr/share/gocode/src/github.com/coreos/go-oidc ] || missing+=(golang-github-coreos-go-oidc-dev)
    [ -d /usr/share/gocode/src/golang.org/x/oauth2 ] || missing+=(golang-golang-x-oauth2-dev)
    [ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing+=(apache2 libapache2-mod-auth-openidc)
fi
install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null && as_root=(sudo -n)
    fi
    if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || [ ${#as_root[@]} -gt 0 ]; }; then
        note "installing ${missing[*]}"
        "${as_root[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
    elif command -v brew >/dev/null; then
        note "installing ${missing[*]}"
        for package in "${missing[@]}"; do
            case "$package" in
                build-essential) xcode-select --install || true ;;
                chromium) brew install --cask chromium ;;
                *) brew install "$package" ;;
            esac
        done
    else
        note "these are missing: ${missing[*]}. Install them with your package manager and try again."
        exit 1
    fi
}

# Builds the relying parties into target/interop, once.
build_relying_parties() {
    local out="$PWD/target/interop" sources="$PWD/tests/interop"
    mkdir -p "$out"
    if [ "$sources/django/requirements.txt" -nt "$out/django.done" ]; then
        note "preparing the Django relying party"
        python3 -m venv "$out/django"
        "$out/django/bin/pip" install --quiet --disable-pip-version-check -r "$sources/django/requirements.txt"
        touch "$out/django.done"
    fi
    if [ "$sources/go/relying_party.go" -nt "$out/go_relying_party" ]; then
        note "building the Go relying party"
        (cd "$sources/go" && GO111MODULE=off GOFLAGS= GOPATH="$out/go:/usr/share/gocode" go build -o "$out/go_relying_party" relying_party.go)
    fi
    if [ ! -d "$sources/node/node_modules" ]; then
        note "preparing the Node relying party"
        (cd "$sources/node" && npm ci --silent --no-fund --no-audit)
    fi
}

cd "$(dirname "$0")/.."
install_missing
if [ "${1:-run}" = test ]; then
    build_relying_parties
    [ -d tests/browser/node_modules ] || { note "fetching axe-core"; (cd tests/browser && npm ci --silent --no-fund --no-audit); }
fi
