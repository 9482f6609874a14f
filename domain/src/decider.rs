//! The shape of every aggregate, and the one loop that lets cqrs-es drive them all.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::{Event, StoredEvent};

/// A stream's state with its rules: given the past, a command either yields events or is refused.
pub trait Decider: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The aggregate's stored name, the first half of its events' names.
    const TYPE: &'static str;
    /// Whether a node keeps the state in memory between commands: for streams that get many in a row.
    const REMEMBERED: bool = false;
    type Command: Clone + Send + 'static;
    type Event: StoredEvent + Into<Event> + 'static;
    /// Why a command was refused, in the domain's words.
    type Refusal: std::error::Error + Clone + Send + Sync + 'static;

    /// Decides without side effects: time, randomness and verified facts are in the command.
    ///
    /// # Errors
    /// The refusal, in which case nothing happens.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Takes a past event into the state. It cannot fail: the event happened.
    fn evolve(&mut self, event: Self::Event);

    /// The state after these events.
    fn after(events: impl IntoIterator<Item = Self::Event>) -> Self {
        let mut state = Self::default();
        events.into_iter().for_each(|event| state.evolve(event));
        state
    }
}

/// A [`Decider`] as cqrs-es's aggregate root.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(bound = "D: Decider")]
pub struct Root<D>(pub D);

impl<D: Decider> Aggregate for Root<D> {
    const TYPE: &'static str = D::TYPE;
    type Command = D::Command;
    type Event = D::Event;
    type Error = D::Refusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        _services: &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for event in self.0.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        self.0.evolve(event);
    }
}
