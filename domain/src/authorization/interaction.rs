//! What a person must do before an authorization request is answered: a list of checks, in order.

use time::{Duration, OffsetDateTime};

use super::request::{AuthorizationRequest, Prompt};
use crate::ids::UserId;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::scope::Scopes;
use crate::policy::access::AccessDenied;

/// What is known of the browser that asks.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    pub session: Option<Present<'a>>,
    /// The subject of a valid `id_token_hint`.
    pub hinted: Option<UserId>,
    /// When this request was first seen: a step that the request asks for counts if it was done after that.
    pub asked_at: OffsetDateTime,
    pub now: OffsetDateTime,
    /// The client wants a fresh ceremony each time.
    pub requires_reauthentication: bool,
    pub skip_consent: bool,
    /// What the person did for this very request.
    pub done: Done,
}

/// The session of the browser.
#[derive(Clone, Debug)]
pub struct Present<'a> {
    pub user: UserId,
    pub authenticated_at: OffsetDateTime,
    pub consented: Option<&'a Scopes>,
    /// Whether the client is for everybody, or for a group of theirs.
    pub in_allowed_group: bool,
}

/// Steps taken for this request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub account_selected: bool,
    pub consented: bool,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sign in.
    Authenticate,
    /// Choose to continue as who is signed in, or sign in as somebody else.
    SelectAccount,
    /// Prove again that it is the same person.
    Reauthenticate,
    Consent,
    /// Nothing is missing.
    Nothing,
}

/// The authentication context classes that are really given (OpenID Connect EAP ACR Values 1.0).
pub const SUPPORTED_ACR: [&str; 1] = ["phr"];

/// The next step, or the error that `prompt=none` turns it into.
///
/// # Errors
/// `access_denied` for somebody outside the allowed groups, `login_required` and its kin where nobody may be asked,
/// `unmet_authentication_requirements` for an essential `acr` that nothing here can give.
pub fn next_step(request: &AuthorizationRequest, situation: &Situation<'_>) -> Result<Step, OAuthError> {
    // Attacks AZ-12: whoever may not use the client need not be asked anything; unless somebody else is meant.
    if expected(request, situation).is_some_and(|present| !present.in_allowed_group) {
        return Err(AccessDenied::NotInGroup.at_authorization_endpoint());
    }
    let essential = &request.claims.essential_acr;
    if !essential.is_empty() && !essential.iter().any(|acr| SUPPORTED_ACR.contains(&acr.as_str())) {
        // OpenID Connect Unmet Authentication Requirements 1.0.
        let code = ErrorCode::UnmetAuthenticationRequirements;
        return Err(OAuthError::new(code, "the demanded acr cannot be given"));
    }
    let step = missing_step(request, situation);
    if request.prompts.contains(&Prompt::None) {
        return match step {
            Step::Nothing => Ok(Step::Nothing),
            Step::Authenticate | Step::Reauthenticate => {
                Err(OAuthError::new(ErrorCode::LoginRequired, "sign-in is required"))
            }
            Step::Consent => Err(OAuthError::new(ErrorCode::ConsentRequired, "consent is required")),
            Step::SelectAccount => Err(OAuthError::new(ErrorCode::InteractionRequired, "an account must be chosen")),
        };
    }
    Ok(step)
}

fn missing_step(request: &AuthorizationRequest, situation: &Situation<'_>) -> Step {
    let Some(present) = expected(request, situation) else { return Step::Authenticate };
    let fresh = present.authenticated_at > situation.asked_at;
    let asked = |prompt| request.prompts.contains(&prompt);
    if asked(Prompt::SelectAccount) && !situation.done.account_selected && !fresh {
        return Step::SelectAccount;
    }
    if (asked(Prompt::Login) || situation.requires_reauthentication) && !fresh {
        return Step::Reauthenticate;
    }
    if too_long_ago(request.max_age, present.authenticated_at, situation) && !fresh {
        return Step::Reauthenticate;
    }
    if asked(Prompt::Consent) && !situation.done.consented {
        return Step::Consent;
    }
    let covered = present.consented.is_some_and(|consented| consented.contains_all(&request.consent_scopes()));
    if !situation.skip_consent && !covered {
        return Step::Consent;
    }
    Step::Nothing
}

/// Who is signed in, if it is who must be: the hint may name somebody (OpenID Connect Core §3.1.2.1), and so may the value
/// of `sub` that the ID token is to have (§3.1.2.2).
fn expected<'a>(request: &AuthorizationRequest, situation: &'a Situation<'_>) -> Option<&'a Present<'a>> {
    let present = situation.session.as_ref();
    let hinted = |present: &Present<'_>| situation.hinted.is_none_or(|hinted| hinted == present.user);
    let subject = request.claims.subject.as_ref();
    let asked_for = |present: &Present<'_>| subject.is_none_or(|subject| *subject == present.user.to_string());
    present.filter(|present| hinted(present) && asked_for(present))
}

/// OpenID Connect Core §3.1.2.1 `max_age`.
fn too_long_ago(max_age: Option<i64>, authenticated_at: OffsetDateTime, situation: &Situation<'_>) -> bool {
    max_age.is_some_and(|seconds| situation.now > authenticated_at + Duration::seconds(seconds) || seconds == 0)
}
