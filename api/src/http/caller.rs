//! Who gives commands. The circumstances that a command is recorded with are handed out only for one that its caller may
//! give, so none is executed without its rule (attacks AD-14).

use chancery_domain::context::Context;
use chancery_domain::ids::UserId;
use chancery_domain::policy::admin::{Denied, OperatorFacts};
use chancery_domain::policy::command::{Command, Giver, permit};

use super::error::ApiError;
use super::principal::Principal;
use super::request::Circumstances;
use super::session::SignedIn;
use crate::app::App;

/// Somebody with the rights of this moment.
#[derive(Clone, Debug)]
pub struct Caller {
    context: Context,
    giver: Giver,
}

impl Caller {
    /// Chancery itself, on what it has verified, or its operator at the command line.
    pub fn trusted(context: Context) -> Self {
        Self { context, giver: Giver::Chancery }
    }

    /// For a command that is about no person.
    ///
    /// # Errors
    /// `forbidden`, or `reauthentication_required` where a recent ceremony is missing.
    pub fn may(&self, command: &impl Command) -> Result<&Context, ApiError> {
        self.may_all(None, std::slice::from_ref(command))
    }

    /// For a command that is about this person.
    ///
    /// # Errors
    /// As of [`Caller::may`].
    pub fn may_about(&self, owner: UserId, command: &impl Command) -> Result<&Context, ApiError> {
        self.may_all(Some(owner), std::slice::from_ref(command))
    }

    /// For several commands in one append.
    ///
    /// # Errors
    /// As of [`Caller::may`].
    pub fn may_all(&self, owner: Option<UserId>, commands: &[impl Command]) -> Result<&Context, ApiError> {
        for command in commands {
            permit(&self.giver, command.needs(), owner)?;
        }
        Ok(&self.context)
    }
}

impl SignedIn {
    pub fn caller(&self, app: &App, circumstances: &Circumstances) -> Caller {
        let giver = Giver::Person(self.user.id(), self.facts(app));
        Caller { context: circumstances.context(app, self.actor()), giver }
    }

    fn facts(&self, app: &App) -> OperatorFacts {
        OperatorFacts {
            is_admin: self.user.is_admin,
            enabled: !self.user.disabled,
            stepped_up: self.stepped_up(app),
            via_api_key: false,
        }
    }
}

impl Principal {
    pub fn caller(&self, app: &App, circumstances: &Circumstances) -> Caller {
        let giver = Giver::Person(self.user.id(), self.facts(app));
        Caller { context: circumstances.context(app, self.actor.clone()), giver }
    }

    pub(super) fn facts(&self, app: &App) -> OperatorFacts {
        match &self.session {
            Some(session) => session.facts(app),
            None => OperatorFacts {
                is_admin: self.user.is_admin,
                enabled: !self.user.disabled,
                stepped_up: false,
                via_api_key: true,
            },
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::StepUpRequired => Self::reauthentication_required(),
            Denied::Disabled | Denied::NotAdmin | Denied::NotTheirs | Denied::Unverified => Self::forbidden(),
        }
    }
}
