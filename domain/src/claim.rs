//! Uniqueness claims: what may exist only once, decided in the append's own transaction.

/// Something that only one stream may hold at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub kind: ClaimKind,
    /// Normalized: two values that must not coexist are equal.
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimKind {
    Username,
    Email,
    CredentialId,
    GroupName,
    /// Held for ever by the person who redeemed the set-up link.
    FirstAdmin,
}

impl ClaimKind {
    pub const ALL: [Self; 5] = [Self::Username, Self::Email, Self::CredentialId, Self::GroupName, Self::FirstAdmin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::CredentialId => "credential_id",
            Self::GroupName => "group_name",
            Self::FirstAdmin => "first_admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What an event does to the claims of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimChange {
    Take(Claim),
    /// The stream gives up all it holds of this kind.
    Release(ClaimKind),
}

impl Claim {
    pub fn username(username: &str) -> Self {
        Self { kind: ClaimKind::Username, value: fold(username) }
    }

    pub fn email(email: &str) -> Self {
        Self { kind: ClaimKind::Email, value: fold(email) }
    }

    pub fn credential_id(id: &str) -> Self {
        Self { kind: ClaimKind::CredentialId, value: id.to_owned() }
    }

    pub fn group_name(name: &str) -> Self {
        Self { kind: ClaimKind::GroupName, value: fold(name) }
    }

    pub fn first_admin() -> Self {
        Self { kind: ClaimKind::FirstAdmin, value: String::new() }
    }
}

/// Compatibility decomposition and lower case, so that look-alike spellings of one name collide (UTS #36).
fn fold(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}
