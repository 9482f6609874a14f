//! Units of one batch that cannot both be recorded.

use std::collections::HashSet;

use super::StoreError;
use super::append::Append;
use super::row::NewEvent;

/// Of two units in a batch that want the same place in a stream or the same claim, the second one conflicts at once.
pub fn refuse_rivals(appends: Vec<Append>) -> Vec<Append> {
    let rivals = rivals(&appends);
    let mut batch = Vec::with_capacity(appends.len());
    for (append, is_rival) in appends.into_iter().zip(rivals) {
        match is_rival {
            true => append.answer(Err(StoreError::Conflict)),
            false => batch.push(append),
        }
    }
    batch
}

fn rivals(appends: &[Append]) -> Vec<bool> {
    let (mut places, mut claims) = (HashSet::new(), HashSet::<[u8; 32]>::new());
    let mut rivals = Vec::with_capacity(appends.len());
    for Append { events, .. } in appends {
        let wanted_places = || events.iter().map(place);
        let wanted_claims = || events.iter().flat_map(|event| &event.claims).map(|(_, digest)| digest);
        let is_rival =
            wanted_places().any(|place| places.contains(&place)) || wanted_claims().any(|claim| claims.contains(claim));
        if !is_rival {
            places.extend(wanted_places());
            claims.extend(wanted_claims().copied());
        }
        rivals.push(is_rival);
    }
    rivals
}

fn place(event: &NewEvent) -> (&'static str, &str, i64) {
    (event.aggregate_type, &event.aggregate_id, event.sequence)
}
