//! What follows from events is kept in memory in several places; each hears here of what changed.

use chancery_domain::Recorded;

/// A new event, as far as it matters to memory.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    pub aggregate_type: &'a str,
    pub aggregate_id: &'a str,
    pub event_type: &'a str,
}

impl<'a> News<'a> {
    pub fn of(recorded: &'a Recorded) -> Self {
        let Recorded { aggregate_id, event, .. } = recorded;
        Self { aggregate_type: event.aggregate_type(), aggregate_id, event_type: event.name() }
    }
}

/// Something that keeps in memory what follows from events.
pub trait Follower: Send + Sync {
    /// There is a new event: what it changes, loads under way included, must be forgotten.
    fn changed(&self, news: News<'_>);

    /// The same of an event that this node recorded, when it has heard of everything before: what follows from it alone may be
    /// kept.
    fn recorded(&self, recorded: &Recorded) {
        self.changed(News::of(recorded));
    }

    /// Nobody can say what changed.
    fn forget(&self);
}
