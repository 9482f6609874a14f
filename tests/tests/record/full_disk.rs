//! A disk that is full: attack EV-12. The files of a Postgres of its own cannot grow any more, and then they can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chancery_adapters::event_store::{Claims, Projection};
use chancery_adapters::postgres;
use chancery_domain::session::Session;
use chancery_projections::rebuild::rebuild;
use chancery_tests::postgres_server::PostgresServer;
use chancery_tests::server::Server;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{context, start_session};

/// Of one of the server's own log files, which must not be what cannot grow.
const LARGEST: i64 = 1024 * 1024;

async fn log_size(server: &Server) -> i64 {
    sqlx::query_scalar("SELECT pg_relation_size('events')").fetch_one(&server.app.pool).await.unwrap()
}

async fn fill(server: &Server) {
    while log_size(server).await <= LARGEST {
        let mut appending: JoinSet<_> = JoinSet::new();
        for _ in 0..200 {
            let store = server.app.store.clone();
            appending.spawn(async move { store.create::<Session>(Uuid::now_v7(), start_session(), &context()).await });
        }
        assert!(appending.join_all().await.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn ev12_a_full_disk_refuses_what_would_be_recorded_loses_nothing_and_heals() {
    let disk = PostgresServer::with_small_files().await;
    let server = Server::at(disk.options(), &[]).await;
    let mut ada = server.person("ada").await;
    fill(&server).await;
    assert!(server.app.history_reached(server.app.store.head()).await);
    disk.limit_files(Some(log_size(&server).await.unsigned_abs())).await;

    // The last page has room for a few.
    let mut acknowledged = 1;
    let refused = loop {
        let answer = ada.sign_in().await;
        match answer.status {
            200 => acknowledged += 1,
            _ => break answer.expect(503),
        }
        assert!(acknowledged < 100, "the disk is not full");
    };

    assert_eq!(refused.header("retry-after"), "5");
    assert!(refused.headers.get("set-cookie").is_none(), "no event, no session");
    for _ in 0..20 {
        ada.sign_in().await.expect(503);
    }
    ada.visitor.get("/api/users/me").await.expect(200);
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json", "/healthz"] {
        let status = server.visitor().get(path).await.status;
        assert!(status < 300, "{path}: {status}");
    }

    disk.limit_files(None).await;
    let freed = Instant::now();
    while ada.sign_in().await.status != 200 {
        assert!(freed.elapsed() < Duration::from_secs(10), "it did not heal");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let recorded = "SELECT count(*) FROM events WHERE event_type = 'session.started'
                    AND payload::jsonb->'session.started'->>'user_id' = $1";
    let recorded: i64 = sqlx::query_scalar(recorded).bind(&ada.id).fetch_one(&server.app.pool).await.unwrap();
    assert_eq!(recorded, acknowledged + 1, "each that was acknowledged, and none that was refused");
    let (events, head): (i64, i64) =
        sqlx::query_as("SELECT count(*), max(position) FROM events").fetch_one(&server.app.pool).await.unwrap();
    assert_eq!(events, head);
    while !server.app.history_reached(head).await {
        assert!(freed.elapsed() < Duration::from_secs(30), "the history does not go on");
    }
    let mut connection = postgres::connect(&server.database).await.unwrap();
    let mut views: Vec<Arc<dyn Projection>> = vec![Arc::new(Claims::new(server.app.store.vault().clone()))];
    views.extend(chancery_projections::transactional());
    let (feed, catch_up) = (server.app.store.feed(), chancery_projections::catch_up());
    let report = rebuild(&mut connection, &feed, &views, &catch_up, false, |_, _| {}).await.unwrap();
    assert!(report.equal(), "{report:?}");
}
