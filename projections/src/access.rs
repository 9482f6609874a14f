//! The facts for the one policy function, and its answer.

use std::sync::Arc;

use chancery_domain::ids::{ClientId, GrantId, SessionId, UserId};
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::policy::access::{AccessDenied, AccessFacts, Causes, ConsentFacts, PersonFacts, decide_access};
use time::OffsetDateTime;

use crate::clients::RememberedClient;
use crate::memory::ViewMemory;
use crate::sessions::SessionRow;
use crate::users::Person;

/// Whose access is in question.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub client: &'a ClientId,
    /// The person and the session in which they authorized; None for a client that acts for itself.
    pub person: Option<(UserId, SessionId)>,
    /// The grant and, for an access token, its `jti`. A grant that the views do not have counts as revoked.
    pub grant: Option<(GrantId, Option<&'a str>)>,
}

/// What the policy says, with what it was asked, and the app.
pub struct Answer {
    pub client: Arc<RememberedClient>,
    pub facts: AccessFacts,
    pub decision: Result<Causes, AccessDenied>,
}

/// Asks the policy with what is known now; None for an app that does not exist. Memory is enough to allow; to deny, the
/// database is asked.
///
/// # Errors
/// Those of the database: then nothing is known, and nothing may be allowed.
pub async fn decide(
    memory: &ViewMemory,
    asked: Asked<'_>,
    scopes: &Scopes,
    now: OffsetDateTime,
) -> Result<Option<Answer>, sqlx::Error> {
    if let Some(answer) = from_memory(memory, asked, scopes, now).await?
        && answer.decision.is_ok()
    {
        return Ok(Some(answer));
    }
    forget(memory, asked);
    from_memory(memory, asked, scopes, now).await
}

async fn from_memory(
    memory: &ViewMemory,
    asked: Asked<'_>,
    scopes: &Scopes,
    now: OffsetDateTime,
) -> Result<Option<Answer>, sqlx::Error> {
    let Some(client) = memory.client(asked.client).await? else { return Ok(None) };
    let (person, session) = match asked.person {
        Some((user, session)) => (memory.person(user).await?, memory.session(session).await?),
        None => (None, None),
    };
    let facts = AccessFacts {
        client_enabled: !client.row.disabled,
        grant_revoked: revoked(memory, asked, &client, person.as_deref()).await?,
        person: asked
            .person
            .map(|(user, _)| person_facts(&client, person.as_deref(), session.filter(|row| row.user() == user), now)),
    };
    let decision = decide_access(&facts, scopes);
    Ok(Some(Answer { client, facts, decision }))
}

fn person_facts(
    client: &RememberedClient,
    person: Option<&Person>,
    session: Option<Arc<SessionRow>>,
    now: OffsetDateTime,
) -> PersonFacts {
    let settings = &client.row.settings;
    let consent = match person.and_then(|person| person.consent(&client.row.client_id)) {
        _ if settings.skip_consent => ConsentFacts::Skipped,
        Some(scopes) => ConsentFacts::Given(Scopes::known(scopes.iter().map(String::as_str))),
        None => ConsentFacts::Absent,
    };
    PersonFacts {
        enabled: person.is_some_and(|person| !person.user.disabled),
        session_live: session.is_some_and(|session| {
            session.live_at(now) && person.is_some_and(|person| person.holds(session.passkey()))
        }),
        client_is_restricted: settings.is_group_restricted,
        in_allowed_group: person.is_some_and(|person| person.is_in_one_of(&client.allowed_groups)),
        consent,
    }
}

/// Whether the grant is over: by itself, or with the person, the consent or the app it rests on.
async fn revoked(
    memory: &ViewMemory,
    asked: Asked<'_>,
    client: &RememberedClient,
    person: Option<&Person>,
) -> Result<bool, sqlx::Error> {
    let Some((grant, jti)) = asked.grant else { return Ok(false) };
    let Some(grant) = memory.grant(grant).await? else { return Ok(true) };
    let session = asked.person.map(|(_, session)| session);
    let cutoffs = person.iter().flat_map(|person| person.cutoffs(asked.client)).chain(client.cutoff.as_deref());
    let cut_off = cutoffs.into_iter().any(|cutoff| cutoff.ends(&grant, session));
    let token_revoked = jti.is_some_and(|jti| grant.revoked_tokens.iter().any(|revoked| revoked == jti));
    Ok(grant.revoked || token_revoked || cut_off)
}

fn forget(memory: &ViewMemory, asked: Asked<'_>) {
    memory.forget_client(asked.client);
    if let Some((user, session)) = asked.person {
        memory.forget_person(user);
        memory.forget_session(session);
    }
    if let Some((grant, _)) = asked.grant {
        memory.forget_grant(grant);
    }
}
