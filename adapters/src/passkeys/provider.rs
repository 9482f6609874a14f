//! Who keeps a passkey, by its AAGUID. The AAGUID is unattested: a name to show, never a basis for policy.

use uuid::Uuid;

/// A passkey provider or kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    pub name: &'static str,
    /// The file of its icon, where there is one.
    pub icon: Option<&'static str>,
}

/// AAGUID, name and icon of each known provider, from the community list that password managers and browsers maintain
/// (passkeydeveloper/passkey-authenticator-aaguids). `scripts/passkey_providers.sh` refreshes it.
const PROVIDERS: &str = include_str!("providers.tsv");

/// The provider, or a security key where only the way it is connected is known.
pub fn provider(aaguid: Uuid, transports: &[String]) -> Option<Provider> {
    let aaguid = aaguid.to_string();
    if let Some(known) = PROVIDERS.lines().find_map(|line| line.strip_prefix(&aaguid)) {
        let (name, icon) = known.trim_start().split_once('\t')?;
        return Some(Provider { name, icon: Some(icon).filter(|icon| !icon.is_empty()) });
    }
    let external = |transport: &String| matches!(transport.as_str(), "usb" | "nfc" | "ble" | "smart-card");
    let only_external = !transports.is_empty() && transports.iter().all(external);
    only_external.then_some(Provider { name: "Security key", icon: None })
}
