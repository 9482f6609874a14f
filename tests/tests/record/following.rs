//! Whoever follows right behind the log is handed what the log holds, from memory or not.

use chancery_adapters::event_store::EventStore;
use chancery_adapters::postgres;
use chancery_domain::Recorded;
use chancery_domain::actor::Actor;
use chancery_domain::context::{Context, Origin, Place};
use chancery_domain::ids::UserId;
use chancery_domain::personal::Personal;
use chancery_domain::session::Session;
use chancery_tests::postgres::{back_up, restore};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::{Log, context, start_session};

fn context_with_origin() -> Context {
    let user = UserId(Uuid::new_v4());
    let place = Place::Found {
        country: Some("SE".into()),
        country_name: Some("Sweden".into()),
        city: Some("Linköping".into()),
        latitude: Some(58.4167),
        longitude: Some(15.6167),
        accuracy_radius: Some(20),
        database_built_at: 1_700_000_000,
    };
    let origin = Origin { address: "2001:db8::7".parse().unwrap(), user_agent: Some("Firefox".into()), place };
    Context {
        country: Some("SE".into()),
        origin: Some(Personal::of(user, origin)),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        ..Context::internal(Actor::User(user), Uuid::new_v4())
    }
}

async fn append(node: &EventStore, context: &Context) {
    node.create::<Session>(Uuid::new_v4(), start_session(), context).await.unwrap();
}

/// In steps of at most three events.
async fn follow(node: &EventStore, connection: &mut PgConnection) -> Vec<Recorded> {
    let (feed, mut followed) = (node.feed(), Vec::<Recorded>::new());
    loop {
        let after = followed.last().map_or(0, |event| event.position);
        match feed.follow_on(connection, after, 3).await.unwrap() {
            none if none.is_empty() => return followed,
            some => followed.extend(some),
        }
    }
}

#[tokio::test]
async fn own_events_and_those_of_another_node_are_as_the_log_has_them() {
    let log = Log::new().await;
    let nodes = [log.node(), log.node()];
    for node in [0, 0, 0, 0, 1, 0, 0] {
        append(&nodes[node], &context_with_origin()).await;
    }
    let mut connection = postgres::connect(&log.options).await.unwrap();

    let followed = follow(&nodes[0], &mut connection).await;

    assert_eq!(followed.len(), 7);
    assert_eq!(followed, nodes[1].feed().read(0, 10).await.unwrap());
}

/// A node that recorded two events, of which nobody could read the first one any more.
async fn unreadable_but_for_memory() -> (EventStore, PgConnection) {
    let log = Log::new().await;
    let node = log.node();
    append(&node, &context()).await;
    append(&node, &context()).await;
    let mut connection = postgres::connect(&log.options).await.unwrap();
    let unreadable = "ALTER TABLE events DISABLE TRIGGER USER; UPDATE events SET payload = '{}' WHERE position = 1";
    sqlx::raw_sql(unreadable).execute(&mut connection).await.unwrap();
    (node, connection)
}

#[tokio::test]
async fn what_this_node_recorded_itself_is_not_read_again() {
    let (node, mut connection) = unreadable_but_for_memory().await;

    assert_eq!(follow(&node, &mut connection).await.len(), 2);
    assert!(node.feed().follow_on(&mut connection, 0, 3).await.is_err(), "once it has been handed over, it is");
}

#[tokio::test]
async fn what_another_node_has_followed_is_kept_no_longer() {
    let (node, mut connection) = unreadable_but_for_memory().await;

    node.feed().passed(1);

    assert!(node.feed().follow_on(&mut connection, 0, 3).await.is_err(), "it is not in memory");
    assert_eq!(node.feed().follow_on(&mut connection, 1, 3).await.unwrap().len(), 1);
}

#[tokio::test]
async fn ev15_behind_a_restored_log_nothing_is_handed_over_that_is_not_in_it() {
    let log = Log::new().await;
    let (node, another) = (log.node(), log.node());
    append(&node, &context()).await;
    let backup = back_up(&log.options).await;
    append(&node, &context()).await;
    restore(&log.options, &backup).await;
    // In the place of the one that was lost.
    while another.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.is_err() {}
    let mut connection = postgres::connect(&log.options).await.unwrap();

    let followed = follow(&node, &mut connection).await;

    assert_eq!(followed, another.feed().read(0, 10).await.unwrap());
}

#[tokio::test]
async fn ev15_what_was_lost_is_not_taken_for_what_came_in_its_place() {
    let log = Log::new().await;
    let (node, another) = (log.node(), log.node());
    append(&node, &context()).await;
    let backup = back_up(&log.options).await;
    append(&node, &context()).await;
    restore(&log.options, &backup).await;
    while another.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.is_err() {}
    // As it does at each news.
    node.horizon().look().await.unwrap();
    // Right behind the one that took the place of the lost one.
    append(&node, &context()).await;
    let mut connection = postgres::connect(&log.options).await.unwrap();

    let followed = follow(&node, &mut connection).await;

    assert_eq!(followed, another.feed().read(0, 10).await.unwrap());
}
