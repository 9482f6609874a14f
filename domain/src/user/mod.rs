//! A person: profile, passkeys, groups, claims, rights, and their end.
//!
//! One stream for each person. What happens often, signing in and being granted tokens, is on streams of its own.

mod command;
mod email_verification;
mod event;
mod passkeys;
mod profile;
mod refusal;
#[cfg(test)]
mod tests;

pub use command::UserCommand;
pub use email_verification::VERIFICATION_LASTS;
pub use event::{EnrolledVia, RegisteredVia, RemovedBy, UserEvent};
pub use passkeys::{Held, Passkey};
pub use profile::{Profile, ProfileInput};
pub use refusal::UserRefusal;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::custom_claim::{CustomClaim, check_claims};
use crate::decider::Decider;
use crate::digest::Digest;
use crate::event::StoredEvent;
use crate::ids::GroupId;
use crate::personal::{Change, Personal, Subject};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum User {
    #[default]
    NotRegistered,
    Registered(Box<Account>),
    Erased,
}

/// A registered person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub subject: Subject,
    /// Absent only while a log whose person was erased is read up to before the erasure.
    pub profile: Option<Profile>,
    pub email_verified: bool,
    /// The proof under way, by the digest of its secret, and until when.
    verification: Option<(Digest, OffsetDateTime)>,
    verification_requested_at: Option<OffsetDateTime>,
    pub is_admin: bool,
    pub disabled: bool,
    pub passkeys: Vec<Held>,
    pub groups: Vec<GroupId>,
    pub claims: Vec<CustomClaim>,
    /// The digest of the sealed picture.
    pub picture: Option<Digest>,
}

type Decision = Result<Vec<UserEvent>, UserRefusal>;

impl Decider for User {
    const TYPE: &'static str = UserEvent::AGGREGATE;
    type Command = UserCommand;
    type Event = UserEvent;
    type Refusal = UserRefusal;

    fn decide(&self, command: UserCommand) -> Decision {
        match (self, command) {
            (Self::NotRegistered, UserCommand::Register { user_id, profile, email_verified, is_admin, via }) => {
                let email_verified = email_verified && profile.email.is_some();
                let profile = Personal::of(user_id, profile);
                Ok(vec![UserEvent::Registered { profile, email_verified, is_admin, via }])
            }
            (_, UserCommand::Register { .. }) => Err(UserRefusal::AlreadyRegistered),
            (Self::Registered(account), command) => account.decide(command),
            // Whoever is erased was never here.
            (Self::NotRegistered | Self::Erased, _) => Err(UserRefusal::NotRegistered),
        }
    }

    fn evolve(&mut self, event: UserEvent) {
        match (self, event) {
            (state, UserEvent::Registered { profile, email_verified, is_admin, .. }) => {
                let subject = match &profile {
                    Personal::Known { subject, .. } | Personal::Erased { subject } => subject.clone(),
                };
                *state = Self::Registered(Box::new(Account {
                    subject,
                    profile: profile.into_known(),
                    email_verified,
                    verification: None,
                    verification_requested_at: None,
                    is_admin,
                    disabled: false,
                    passkeys: Vec::new(),
                    groups: Vec::new(),
                    claims: Vec::new(),
                    picture: None,
                }));
            }
            (state, UserEvent::Erased) => *state = Self::Erased,
            (Self::Registered(account), event) => account.evolve(event),
            (Self::NotRegistered | Self::Erased, _) => {}
        }
    }
}

impl Account {
    fn decide(&self, command: UserCommand) -> Decision {
        match command {
            UserCommand::Register { .. } => Err(UserRefusal::AlreadyRegistered),
            UserCommand::ChangeProfile { profile, email_verified } => Ok(self.change_profile(profile, email_verified)),
            UserCommand::ChangeOwnProfile { profile } => {
                let same_address = self.profile.as_ref().is_some_and(|before| before.email == profile.email);
                Ok(self.change_profile(profile, self.email_verified && same_address))
            }
            UserCommand::RequestEmailVerification { verification_id, secret, now } => {
                self.request_email_verification(verification_id, secret, now)
            }
            UserCommand::VerifyEmail { secret, now } => self.verify_email(secret, now),
            UserCommand::RequestTestMail => self.email().map(|_| vec![UserEvent::TestMailRequested]),
            UserCommand::EnrollPasskey { passkey, name, via } => self.enroll(passkey, &name, via),
            UserCommand::RenamePasskey { passkey_id, name } => self.rename(passkey_id, &name),
            UserCommand::RemovePasskey { passkey_id, by } => self.remove(passkey_id, by),
            UserCommand::ReplacePasskeys { keep } => Ok(self.replace_passkeys(keep)),
            UserCommand::SuspendPasskey { passkey_id, stored, presented } => {
                self.suspend(passkey_id, stored, presented)
            }
            UserCommand::RestorePasskey { passkey_id, counter } => self.restore(passkey_id, counter),
            UserCommand::DeclineSecondPasskey { now } => Ok(vec![UserEvent::SecondPasskeyDeclined { at: now }]),
            UserCommand::JoinGroup { group_id } => {
                Ok(once(!self.groups.contains(&group_id), UserEvent::GroupJoined { group_id }))
            }
            UserCommand::LeaveGroup { group_id } => {
                Ok(once(self.groups.contains(&group_id), UserEvent::GroupLeft { group_id }))
            }
            UserCommand::SetGroups { groups } => Ok(self.set_groups(&groups)),
            UserCommand::SetClaims { claims } => {
                check_claims(&claims)?;
                let changed = claims != self.claims;
                let change = Change { before: self.claims.clone(), after: claims };
                Ok(once(changed, UserEvent::ClaimsSet { claims: self.personal(change) }))
            }
            UserCommand::SetPicture { picture } => {
                Ok(once(self.picture != Some(picture), UserEvent::PictureSet { picture }))
            }
            UserCommand::RemovePicture => Ok(once(self.picture.is_some(), UserEvent::PictureRemoved)),
            UserCommand::Disable { other_admins } => {
                self.keep_an_admin(other_admins)?;
                Ok(once(!self.disabled, UserEvent::Disabled))
            }
            UserCommand::Enable => Ok(once(self.disabled, UserEvent::Enabled)),
            UserCommand::GrantAdmin => Ok(once(!self.is_admin, UserEvent::AdminGranted)),
            UserCommand::RevokeAdmin { other_admins } => {
                self.keep_an_admin(other_admins)?;
                Ok(once(self.is_admin, UserEvent::AdminRevoked))
            }
            UserCommand::SignOutEverywhere { except } => Ok(vec![UserEvent::SignedOutEverywhere { except }]),
            UserCommand::Erase { other_admins } => {
                self.keep_an_admin(other_admins)?;
                Ok(vec![UserEvent::Erased])
            }
        }
    }

    fn personal<T>(&self, value: T) -> Personal<T> {
        Personal::about(self.subject.clone(), value)
    }

    /// Somebody who administers must always remain (attacks AD-05).
    fn keep_an_admin(&self, other_admins: bool) -> Result<(), UserRefusal> {
        if self.is_admin && !self.disabled && !other_admins {
            return Err(UserRefusal::LastAdmin);
        }
        Ok(())
    }

    fn change_profile(&self, profile: Profile, email_verified: bool) -> Vec<UserEvent> {
        let email_verified = email_verified && profile.email.is_some();
        let Some(before) = self.profile.clone() else { return Vec::new() };
        if before == profile && self.email_verified == email_verified {
            return Vec::new();
        }
        let change = self.personal(Change { before, after: profile });
        vec![UserEvent::ProfileChanged { change, email_verified, was_verified: Some(self.email_verified) }]
    }

    fn email(&self) -> Result<&str, UserRefusal> {
        self.profile.as_ref().and_then(|profile| profile.email.as_deref()).ok_or(UserRefusal::NoEmail)
    }

    fn set_groups(&self, groups: &[GroupId]) -> Vec<UserEvent> {
        let mut joined: Vec<GroupId> = groups.iter().filter(|id| !self.groups.contains(id)).copied().collect();
        joined.sort_unstable();
        joined.dedup();
        let left = self.groups.iter().filter(|id| !groups.contains(id));
        let left = left.map(|group_id| UserEvent::GroupLeft { group_id: *group_id });
        left.chain(joined.into_iter().map(|group_id| UserEvent::GroupJoined { group_id })).collect()
    }

    fn evolve(&mut self, event: UserEvent) {
        match event {
            UserEvent::Registered { .. } | UserEvent::Erased => {}
            UserEvent::ProfileChanged { change, email_verified, .. } => {
                let same_address = change.known().is_some_and(|change| change.before.email == change.after.email);
                if !same_address || email_verified {
                    self.verification = None;
                }
                self.profile = change.into_known().map(|change| change.after);
                self.email_verified = email_verified;
            }
            UserEvent::EmailVerificationRequested { secret, requested_at, expires_at, .. } => {
                self.verification = Some((secret, expires_at));
                self.verification_requested_at = Some(requested_at);
            }
            UserEvent::EmailVerified => {
                self.email_verified = true;
                self.verification = None;
            }
            UserEvent::PasskeyEnrolled { passkey, name, .. } => self.passkeys.push(Held {
                passkey_id: passkey.passkey_id,
                credential_id: passkey.credential_id,
                name: name.into_known(),
                suspended: false,
            }),
            UserEvent::PasskeyRenamed { passkey_id, name } => {
                let name = name.into_known().map(|name| name.after);
                self.with_passkey(passkey_id, |held| held.name = name);
            }
            UserEvent::PasskeySuspended { passkey_id, .. } => {
                self.with_passkey(passkey_id, |held| held.suspended = true);
            }
            UserEvent::PasskeyRestored { passkey_id, .. } => {
                self.with_passkey(passkey_id, |held| held.suspended = false);
            }
            UserEvent::PasskeyRemoved { passkey_id, .. } => self.passkeys.retain(|held| held.passkey_id != passkey_id),
            UserEvent::SecondPasskeyDeclined { .. }
            | UserEvent::SignedOutEverywhere { .. }
            | UserEvent::TestMailRequested => {}
            UserEvent::GroupJoined { group_id } => self.groups.push(group_id),
            UserEvent::GroupLeft { group_id } => self.groups.retain(|id| *id != group_id),
            UserEvent::ClaimsSet { claims } => {
                self.claims = claims.into_known().map(|change| change.after).unwrap_or_default();
            }
            UserEvent::PictureSet { picture } => self.picture = Some(picture),
            UserEvent::PictureRemoved => self.picture = None,
            UserEvent::Disabled => self.disabled = true,
            UserEvent::Enabled => self.disabled = false,
            UserEvent::AdminGranted => self.is_admin = true,
            UserEvent::AdminRevoked => self.is_admin = false,
        }
    }
}

/// Nothing to record where nothing changes.
fn once(changed: bool, event: UserEvent) -> Vec<UserEvent> {
    if changed { vec![event] } else { Vec::new() }
}
