//! Where much has queued, a batch's commit opens the transaction of the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chancery_adapters::event_store::{EventStore, ExecuteError, Projection, ProjectionFuture, StoreError, Tables};
use chancery_adapters::postgres;
use chancery_domain::claim::ClaimKind;
use chancery_domain::group::{Group, GroupCommand, GroupNames};
use chancery_domain::session::{Session, SessionCommand, SessionEnd};
use chancery_domain::{Event, Recorded};
use chancery_projections::runner::Runner;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Log, context, start_session};

const WRITERS: usize = 96;

/// The log's streams by the positions of their first events.
async fn first_positions(log: &Log) -> HashMap<String, i64> {
    let found: Vec<(String, i64)> = sqlx::query_as("SELECT aggregate_id, position FROM events WHERE sequence = 1")
        .fetch_all(&log.pool)
        .await
        .unwrap();
    found.into_iter().collect()
}

async fn assert_dense(log: &Log) {
    let (events, head): (i64, i64) =
        sqlx::query_as("SELECT count(*), max(position) FROM events").fetch_one(&log.pool).await.unwrap();
    assert_eq!(events, head);
}

fn group_called(name: String) -> GroupCommand {
    GroupCommand::Create { names: GroupNames { friendly_name: name.clone(), name } }
}

/// A session that begins, ends, and is asked to end again; a group of its own, and one that all want.
async fn everything(store: &EventStore) -> bool {
    let (session, end) = (Uuid::now_v7(), SessionCommand::End { why: SessionEnd::SignedOut });
    store.create::<Session>(session, start_session(), &context()).await.unwrap();
    store.execute::<Session>(session, end.clone(), &context()).await.unwrap();
    assert!(store.execute::<Session>(session, end, &context()).await.unwrap().events.is_empty());
    let own = Uuid::new_v4();
    store.create::<Group>(own, group_called(own.to_string()), &context()).await.unwrap();
    match store.create::<Group>(Uuid::new_v4(), group_called("wheel".to_owned()), &context()).await {
        Ok(_) => true,
        // In one batch with the winner, or after it.
        Err(ExecuteError::Store(StoreError::Conflict | StoreError::Claimed(ClaimKind::GroupName))) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn whatever_queues_is_recorded_once_and_in_order() {
    let log = Log::new().await;
    let store = log.node_with(chancery_projections::transactional());
    let writers: JoinSet<usize> = (0..WRITERS)
        .map(|_| {
            let store = store.clone();
            async move {
                let mut won = 0;
                for _ in 0..3 {
                    won += usize::from(everything(&store).await);
                }
                won
            }
        })
        .collect();

    let won: usize = writers.join_all().await.into_iter().sum();

    assert_eq!(won, 1, "a name is one group's");
    assert_dense(&log).await;
    assert_eq!(store.feed().head().await.unwrap(), (WRITERS * 3 * 3 + 1) as i64);
}

#[tokio::test]
async fn another_node_comes_in_between() {
    let log = Log::new().await;
    let nodes = [log.node(), log.node()];
    let writers: JoinSet<_> = (0..WRITERS)
        .map(|nth| {
            // Most on one node: where the other one is at work, no transaction is opened ahead.
            let (store, other) = (nodes[usize::from(nth % 8 == 0)].clone(), nodes[usize::from(nth % 8 != 0)].clone());
            async move {
                for _ in 0..5 {
                    let (session, end) = (Uuid::now_v7(), SessionCommand::End { why: SessionEnd::SignedOut });
                    store.create::<Session>(session, start_session(), &context()).await.unwrap();
                    let ends = [store.clone(), other.clone()].map(|store| {
                        let end = end.clone();
                        async move { store.execute::<Session>(session, end, &context()).await.unwrap().events.len() }
                    });
                    let [here, there] = ends;
                    let (here, there) = tokio::join!(here, there);
                    assert_eq!(here + there, 1, "it ends once");
                }
            }
        })
        .collect();
    writers.join_all().await;

    assert_dense(&log).await;
    assert_eq!(nodes[0].feed().head().await.unwrap(), (WRITERS * 5 * 2) as i64);
}

#[tokio::test]
async fn a_connection_that_breaks_anywhere_loses_nothing_that_was_acknowledged() {
    let log = Log::new().await;
    let store = log.node();
    let mut breaker = postgres::connect(&log.options).await.unwrap();
    let writers: JoinSet<Vec<(String, Option<i64>)>> = (0..WRITERS)
        .map(|_| {
            let store = store.clone();
            async move {
                let mut asked = Vec::new();
                for _ in 0..40 {
                    let id = Uuid::now_v7();
                    let receipt = store.create::<Session>(id, start_session(), &context()).await;
                    asked.push((id.to_string(), receipt.ok().map(|receipt| receipt.position)));
                }
                asked
            }
        })
        .collect();
    let breaking = tokio::spawn(async move {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        for pause in [7, 31, 13, 47, 23, 11, 37, 19, 5, 41].map(Duration::from_millis) {
            tokio::time::sleep(pause).await;
            sqlx::query(end).execute(&mut breaker).await.unwrap();
        }
    });

    let asked = writers.join_all().await.concat();
    breaking.await.unwrap();

    let recorded = first_positions(&log).await;
    for (id, position) in asked.iter().filter_map(|(id, position)| Some((id, (*position)?))) {
        assert_eq!(recorded.get(id), Some(&position), "{id} was acknowledged");
    }
    assert!(asked.iter().filter(|(_, position)| position.is_some()).count() > WRITERS, "most are acknowledged");
    assert_dense(&log).await;
}

/// A view that cannot bear a group.
struct Fragile;

impl Projection for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn apply<'a>(&'a self, _: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            assert!(!events.iter().any(|recorded| matches!(recorded.event, Event::Group(_))), "a group");
            Ok(())
        })
    }
}

#[tokio::test]
async fn what_no_view_can_take_is_refused_alone_and_the_writer_goes_on() {
    let log = Log::new().await;
    let store = log.node_with(vec![Arc::new(Fragile)]);
    let sessions = async |count: usize| {
        let sessions: JoinSet<_> = (0..count)
            .map(|_| {
                let store = store.clone();
                async move { store.create::<Session>(Uuid::now_v7(), start_session(), &context()).await.is_ok() }
            })
            .collect();
        sessions.join_all().await.into_iter().filter(|recorded| *recorded).count()
    };
    for _ in 0..3 {
        let circumstances = context();
        let group = store.create::<Group>(Uuid::new_v4(), group_called("wheel".to_owned()), &circumstances);
        let (sessions, group) = tokio::join!(sessions(WRITERS), group);
        assert!(matches!(group, Err(ExecuteError::Store(StoreError::Unavailable(_)))), "{group:?}");
        assert_eq!(sessions, WRITERS);
    }

    assert_dense(&log).await;
    assert_eq!(store.feed().head().await.unwrap(), (WRITERS * 3) as i64);
}

#[tokio::test]
async fn a_view_that_panics_as_it_follows_stands_still_and_says_so() {
    let log = Log::new().await;
    let store = log.node();
    store.create::<Group>(Uuid::new_v4(), group_called("wheel".to_owned()), &context()).await.unwrap();
    sqlx::raw_sql("INSERT INTO checkpoints (projection) VALUES ('fragile')").execute(&log.pool).await.unwrap();
    let (_wake, remote) = watch::channel(0);

    tokio::spawn(Runner::new(log.pool.clone(), store.feed(), Arc::new(Fragile)).run(store.subscribe(), remote));

    let said = "SELECT failure FROM checkpoints WHERE projection = 'fragile' AND failure IS NOT NULL AND position = 0";
    let noted = async {
        while sqlx::query_scalar::<_, String>(said).fetch_optional(&log.pool).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noted).await.expect("nobody hears of it");
}
