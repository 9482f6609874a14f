//! The person and the app an event is about.
//!
//! Many events name neither: that a session ended, that a code was redeemed. They stand in a stream whose beginning
//! does, and the view's own rows remember it.

use std::collections::{BTreeSet, HashMap};

use chancery_domain::api_key::ApiKeyEvent;
use chancery_domain::consent::ConsentEvent;
use chancery_domain::enrollment::{EnrollmentEvent, Purpose};
use chancery_domain::grant::GrantEvent;
use chancery_domain::ids::{ClientId, UserId};
use chancery_domain::session::SessionEvent;
use chancery_domain::sign_in_attempt::SignInAttemptEvent;
use chancery_domain::{Event, Recorded};
use quick_cache::sync::Cache;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whom {
    pub user: Option<UserId>,
    pub client: Option<ClientId>,
}

impl Whom {
    fn user(id: UserId) -> Option<Self> {
        Some(Self { user: Some(id), client: None })
    }

    fn app(client: &ClientId) -> Option<Self> {
        Some(Self { user: None, client: Some(client.clone()) })
    }

    fn both(user: UserId, client: &ClientId) -> Option<Self> {
        Some(Self { user: Some(user), client: Some(client.clone()) })
    }

    /// What the event itself says, or `None` where its stream must be asked.
    fn named_by(recorded: &Recorded) -> Option<Self> {
        let nobody = Some(Self::default());
        match &recorded.event {
            Event::User(_) => recorded.aggregate_id.parse().map_or(nobody, Self::user),
            Event::Client(_) => recorded.aggregate_id.parse().map_or(nobody, |id| Self::app(&id)),
            Event::ApiKey(ApiKeyEvent::Created { user_id, .. })
            | Event::Session(SessionEvent::Started { user_id, .. })
            | Event::Enrollment(
                EnrollmentEvent::Redeemed { user_id, .. }
                | EnrollmentEvent::Issued {
                    purpose: Purpose::Invitation { user_id } | Purpose::Recovery { user_id, .. },
                    ..
                },
            ) => Self::user(*user_id),
            Event::Consent(
                ConsentEvent::Given { user_id, client_id, .. }
                | ConsentEvent::Widened { user_id, client_id, .. }
                | ConsentEvent::Withdrawn { user_id, client_id },
            ) => Self::both(*user_id, client_id),
            Event::Grant(GrantEvent::Authorized(authorization)) => {
                Self::both(authorization.user_id, &authorization.client_id)
            }
            Event::Grant(GrantEvent::ClientTokensIssued { client_id, .. }) => Self::app(client_id),
            Event::SignInAttempt(SignInAttemptEvent::Failed(failed)) => failed.user_id.map_or(nobody, Self::user),
            Event::Enrollment(EnrollmentEvent::Issued { purpose: Purpose::Setup, .. })
            | Event::EncryptionKey(_)
            | Event::Group(_)
            | Event::SigningKey(_) => nobody,
            Event::ApiKey(_) | Event::Session(_) | Event::Enrollment(_) | Event::Grant(_) => None,
        }
    }
}

/// A stream, by its aggregate's type and id.
pub(super) type Stream = (String, String);

/// Whom streams of late are about. It cannot go out of date: the beginning of a stream never changes.
pub(super) type Beginnings = Cache<Stream, Whom>;

/// Whom the streams of a batch are about.
pub(super) struct Streams<'a> {
    batch: HashMap<Stream, Whom>,
    beginnings: &'a Beginnings,
}

impl<'a> Streams<'a> {
    pub fn new(beginnings: &'a Beginnings) -> Self {
        Self { batch: HashMap::new(), beginnings }
    }

    /// Looks up the streams that began before this batch.
    pub async fn before(
        connection: &mut PgConnection,
        events: &[Recorded],
        beginnings: &'a Beginnings,
    ) -> Result<Self, sqlx::Error> {
        let mut streams = Self::new(beginnings);
        let mut asked = BTreeSet::new();
        for stream in events.iter().filter(|recorded| Whom::named_by(recorded).is_none()).map(stream) {
            match beginnings.get(&stream) {
                Some(whom) => drop(streams.batch.insert(stream, whom)),
                None => drop(asked.insert(stream)),
            }
        }
        if asked.is_empty() {
            return Ok(streams);
        }
        let (types, ids): (Vec<String>, Vec<String>) = asked.into_iter().unzip();
        let rows: Vec<(String, String, Option<Uuid>, Option<String>)> = sqlx::query_as(
            "SELECT n.type, n.id, first.user_id, first.client_id
             FROM unnest($1::text[], $2::text[]) AS n(type, id)
             CROSS JOIN LATERAL (
                 SELECT user_id, client_id FROM audit
                 WHERE aggregate_id = n.id AND aggregate_type = n.type
                   AND (user_id IS NOT NULL OR client_id IS NOT NULL)
                 ORDER BY position LIMIT 1
             ) AS first",
        )
        .bind(types)
        .bind(ids)
        .fetch_all(connection)
        .await?;
        for (aggregate, id, user, client) in rows {
            let client = client.and_then(|client| client.parse().ok());
            let (stream, whom) = ((aggregate, id), Whom { user: user.map(UserId), client });
            beginnings.insert(stream.clone(), whom.clone());
            streams.batch.insert(stream, whom);
        }
        Ok(streams)
    }

    /// Whom the next event of the batch is about.
    pub fn follow(&mut self, recorded: &Recorded) -> Whom {
        let Some(whom) = Whom::named_by(recorded) else {
            return self.batch.get(&stream(recorded)).cloned().unwrap_or_default();
        };
        if whom != Whom::default() && !self.batch.contains_key(&stream(recorded)) {
            self.beginnings.insert(stream(recorded), whom.clone());
            self.batch.insert(stream(recorded), whom.clone());
        }
        whom
    }
}

fn stream(recorded: &Recorded) -> Stream {
    (recorded.event.aggregate_type().to_owned(), recorded.aggregate_id.clone())
}
