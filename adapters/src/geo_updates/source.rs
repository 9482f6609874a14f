//! Where the database comes from, and who asks for it.

use chancery_domain::secret::Secret;

/// A download, with what it takes to be let in.
#[derive(Debug)]
pub struct Source {
    pub(super) url: Secret<String>,
    /// Where the SHA-256 of the same download is.
    pub(super) checksum_url: Option<Secret<String>>,
    /// Account ID and license key, for HTTP Basic.
    pub(super) basic: Option<(String, Secret<String>)>,
}

impl Source {
    /// MaxMind's permalink with an account; with a key alone, the form from before accounts, which still answers; or
    /// `url`, in which `%s` stands for the key. The key is sent in one way only.
    pub fn new(account: Option<String>, key: Option<Secret<String>>, url: Option<&str>) -> Self {
        let url = url.unwrap_or(if account.is_some() { PERMALINK } else { FORMER });
        let basic = account.zip(key.clone()).filter(|_| !url.contains("%s"));
        let url = match &key {
            Some(key) => url.replace("%s", key.expose()),
            None => url.to_owned(),
        };
        let checksum_url = url.contains(ARCHIVE).then(|| url.replace(ARCHIVE, CHECKSUM).into());
        Self { url: url.into(), checksum_url, basic }
    }
}

const PERMALINK: &str = "https://download.maxmind.com/geoip/databases/GeoLite2-City/download?suffix=tar.gz";
const FORMER: &str =
    "https://download.maxmind.com/app/geoip_download?edition_id=GeoLite2-City&license_key=%s&suffix=tar.gz";
/// MaxMind serves the checksum of an archive beside it, under another suffix.
const ARCHIVE: &str = "suffix=tar.gz";
const CHECKSUM: &str = "suffix=tar.gz.sha256";
