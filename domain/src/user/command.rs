use time::OffsetDateTime;

use super::event::{EnrolledVia, RegisteredVia, RemovedBy};
use super::passkeys::Passkey;
use super::profile::Profile;
use crate::custom_claim::CustomClaim;
use crate::digest::Digest;
use crate::ids::{EmailVerificationId, GroupId, PasskeyId, SessionId, UserId};

/// What may be asked of a person's account.
///
/// `other_admins` is a fact: whether another enabled administrator exists, so that the last one is never lost.
#[derive(Clone, Debug)]
pub enum UserCommand {
    Register {
        user_id: UserId,
        profile: Profile,
        email_verified: bool,
        is_admin: bool,
        via: RegisteredVia,
    },
    /// `email_verified` counts only together with an address.
    ChangeProfile {
        profile: Profile,
        email_verified: bool,
    },
    /// By the person themselves: an address that stays is as proven as it was.
    ChangeOwnProfile {
        profile: Profile,
    },
    /// The link goes to the address that the person has now.
    RequestEmailVerification {
        verification_id: EmailVerificationId,
        secret: Digest,
        now: OffsetDateTime,
    },
    VerifyEmail {
        secret: Digest,
        now: OffsetDateTime,
    },
    RequestTestMail,
    EnrollPasskey {
        passkey: Passkey,
        name: String,
        via: EnrolledVia,
    },
    RenamePasskey {
        passkey_id: PasskeyId,
        name: String,
    },
    RemovePasskey {
        passkey_id: PasskeyId,
        by: RemovedBy,
    },
    /// Recovery that replaces: every passkey but this one goes.
    ReplacePasskeys {
        keep: PasskeyId,
    },
    SuspendPasskey {
        passkey_id: PasskeyId,
        stored: u32,
        presented: u32,
    },
    RestorePasskey {
        passkey_id: PasskeyId,
        counter: u32,
    },
    DeclineSecondPasskey {
        now: OffsetDateTime,
    },
    JoinGroup {
        group_id: GroupId,
    },
    LeaveGroup {
        group_id: GroupId,
    },
    /// Exactly these groups.
    SetGroups {
        groups: Vec<GroupId>,
    },
    SetClaims {
        claims: Vec<CustomClaim>,
    },
    /// The picture is stored already, sealed; this is the digest of its sealed bytes.
    SetPicture {
        picture: Digest,
    },
    RemovePicture,
    Disable {
        other_admins: bool,
    },
    Enable,
    GrantAdmin,
    RevokeAdmin {
        other_admins: bool,
    },
    SignOutEverywhere {
        except: Option<SessionId>,
    },
    Erase {
        other_admins: bool,
    },
}
