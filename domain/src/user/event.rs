use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::passkeys::Passkey;
use super::profile::Profile;
use crate::claim::{Claim, ClaimChange, ClaimKind};
use crate::custom_claim::CustomClaim;
use crate::digest::Digest;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::ids::{EmailVerificationId, EnrollmentId, GroupId, PasskeyId, SessionId};
use crate::personal::{Change, Personal};

/// What happened to a person's account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum UserEvent {
    #[serde(rename = "user.registered")]
    Registered { profile: Personal<Profile>, email_verified: bool, is_admin: bool, via: RegisteredVia },
    #[serde(rename = "user.profile_changed")]
    ProfileChanged {
        change: Personal<Change<Profile>>,
        email_verified: bool,
        /// Whether the address counted as proven before. Events of earlier releases do not have it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was_verified: Option<bool>,
    },
    /// A link to prove that the address is theirs was asked for; it goes to that address only.
    #[serde(rename = "user.email_verification_requested")]
    EmailVerificationRequested {
        verification_id: EmailVerificationId,
        address: Personal<String>,
        secret: Digest,
        #[serde(with = "time::serde::rfc3339")]
        requested_at: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    #[serde(rename = "user.email_verified")]
    EmailVerified,
    #[serde(rename = "user.passkey_enrolled")]
    PasskeyEnrolled { passkey: Passkey, name: Personal<String>, via: EnrolledVia },
    #[serde(rename = "user.passkey_renamed")]
    PasskeyRenamed { passkey_id: PasskeyId, name: Personal<Change<String>> },
    /// The signature counter went backwards (WebAuthn Level 3 §6.1.1): a copy may exist.
    #[serde(rename = "user.passkey_suspended")]
    PasskeySuspended { passkey_id: PasskeyId, stored: u32, presented: u32 },
    /// An administrator accepts the presented counter.
    #[serde(rename = "user.passkey_restored")]
    PasskeyRestored { passkey_id: PasskeyId, counter: u32 },
    #[serde(rename = "user.passkey_removed")]
    PasskeyRemoved { passkey_id: PasskeyId, by: RemovedBy },
    /// Asked for a second passkey on another device, the person put it off.
    #[serde(rename = "user.second_passkey_declined")]
    SecondPasskeyDeclined {
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    #[serde(rename = "user.group_joined")]
    GroupJoined { group_id: GroupId },
    #[serde(rename = "user.group_left")]
    GroupLeft { group_id: GroupId },
    #[serde(rename = "user.claims_set")]
    ClaimsSet { claims: Personal<Change<Vec<CustomClaim>>> },
    /// The picture itself is stored outside the log, sealed. This is the digest of its sealed bytes, which tells nothing
    /// about them and proves them for as long as they are there.
    #[serde(rename = "user.picture_set")]
    PictureSet { picture: Digest },
    #[serde(rename = "user.picture_removed")]
    PictureRemoved,
    /// Ends all sessions and grants at once; enabling revives none.
    #[serde(rename = "user.disabled")]
    Disabled,
    #[serde(rename = "user.enabled")]
    Enabled,
    #[serde(rename = "user.admin_granted")]
    AdminGranted,
    #[serde(rename = "user.admin_revoked")]
    AdminRevoked,
    #[serde(rename = "user.signed_out_everywhere")]
    SignedOutEverywhere { except: Option<SessionId> },
    /// An administrator asked for a mail to themselves, to see whether mail arrives.
    #[serde(rename = "user.test_mail_requested")]
    TestMailRequested,
    /// The person's data key is destroyed with it.
    #[serde(rename = "user.erased")]
    Erased,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisteredVia {
    /// The first administrator, through the set-up link.
    Setup,
    /// By an administrator in a browser.
    Admin,
    /// By an administrator's API key.
    Api,
    /// The account that `STATIC_API_KEY` acts as.
    StaticApiKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolledVia {
    Enrollment {
        enrollment_id: EnrollmentId,
    },
    /// By the person, signed in with another passkey.
    SelfService,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovedBy {
    Owner,
    Admin,
    /// A recovery link that replaces all other passkeys was redeemed.
    Recovery,
}

impl StoredEvent for UserEvent {
    const AGGREGATE: &'static str = "user";

    fn name(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "user.registered",
            Self::ProfileChanged { .. } => "user.profile_changed",
            Self::EmailVerificationRequested { .. } => "user.email_verification_requested",
            Self::EmailVerified => "user.email_verified",
            Self::PasskeyEnrolled { .. } => "user.passkey_enrolled",
            Self::PasskeyRenamed { .. } => "user.passkey_renamed",
            Self::PasskeySuspended { .. } => "user.passkey_suspended",
            Self::PasskeyRestored { .. } => "user.passkey_restored",
            Self::PasskeyRemoved { .. } => "user.passkey_removed",
            Self::SecondPasskeyDeclined { .. } => "user.second_passkey_declined",
            Self::GroupJoined { .. } => "user.group_joined",
            Self::GroupLeft { .. } => "user.group_left",
            Self::ClaimsSet { .. } => "user.claims_set",
            Self::PictureSet { .. } => "user.picture_set",
            Self::PictureRemoved => "user.picture_removed",
            Self::Disabled => "user.disabled",
            Self::Enabled => "user.enabled",
            Self::AdminGranted => "user.admin_granted",
            Self::AdminRevoked => "user.admin_revoked",
            Self::SignedOutEverywhere { .. } => "user.signed_out_everywhere",
            Self::TestMailRequested => "user.test_mail_requested",
            Self::Erased => "user.erased",
        }
    }

    fn claims(&self) -> Vec<ClaimChange> {
        match self {
            Self::Registered { profile, via, .. } => {
                let mut claims = profile.known().map(names).unwrap_or_default();
                if *via == RegisteredVia::Setup {
                    claims.push(ClaimChange::Take(Claim::first_admin()));
                }
                claims
            }
            Self::ProfileChanged { change, .. } => {
                let mut claims =
                    vec![ClaimChange::Release(ClaimKind::Username), ClaimChange::Release(ClaimKind::Email)];
                claims.extend(change.known().map(|change| names(&change.after)).unwrap_or_default());
                claims
            }
            Self::PasskeyEnrolled { passkey, .. } => {
                vec![ClaimChange::Take(Claim::credential_id(&passkey.credential_id))]
            }
            Self::Erased => {
                [ClaimKind::Username, ClaimKind::Email, ClaimKind::CredentialId].map(ClaimChange::Release).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

fn names(profile: &Profile) -> Vec<ClaimChange> {
    let username = Some(Claim::username(&profile.username));
    let email = profile.email.as_deref().map(Claim::email);
    username.into_iter().chain(email).map(ClaimChange::Take).collect()
}

domain_event!(UserEvent);
