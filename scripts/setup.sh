#!/usr/bin/env bash
# Installs what building (`run`) or testing (`test`) needs, where it may; otherwise says exactly what is missing.
set -euo pipefail

missing=()
note() { echo "setup: $*" >&2; }

have_postgres() {
    command -v postgres >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null ||
        compgen -G "/opt/homebrew/opt/postgresql*/bin/postgres" >/dev/null
}

command -v cargo >/dev/null || { note "Rust is missing: see https://rustup.rs"; exit 1; }
command -v cc >/dev/null || missing+=(build-essential)
command -v cmake >/dev/null || missing+=(cmake)
have_postgres || missing+=(postgresql)
if [ "${1:-run}" = test ]; then
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
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
