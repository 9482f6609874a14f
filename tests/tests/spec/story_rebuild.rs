//! Views are disposable: dropped and replayed from the log, they come out equal, and they can be swapped under load.

use std::sync::Arc;

use chancery_adapters::event_store::{Claims, Projection};
use chancery_adapters::postgres;
use chancery_domain::client::{Client, ClientCommand};
use chancery_projections::prune::{self, Pruned};
use chancery_projections::rebuild::{self, Report};
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use futures_util::FutureExt;
use serde_json::json;
use sqlx::{Postgres, Transaction};
use time::{Duration, OffsetDateTime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// What only somebody who is erased later is called: username, address, names.
const GONE: [&str; 4] = ["quasimodo", "quasimodo@example.org", "Quasi", "Vanishing"];

async fn rebuilt(server: &Server, swap: bool) -> Report {
    try_rebuild(server, swap, |_, _| {}).await.unwrap()
}

async fn try_rebuild(
    server: &Server,
    swap: bool,
    progress: impl FnMut(i64, i64),
) -> Result<Report, rebuild::RebuildError> {
    let mut connection = postgres::connect(&server.database).await.unwrap();
    let mut transactional: Vec<Arc<dyn Projection>> = vec![Arc::new(Claims::new(server.app.store.vault().clone()))];
    transactional.extend(chancery_projections::transactional());
    let catch_up = chancery_projections::catch_up();
    rebuild::rebuild(&mut connection, &server.app.store.feed(), &transactional, &catch_up, swap, progress).await
}

/// Something of everything.
async fn busy_day(server: &Server) -> Person {
    let mut admin = server.admin.clone();
    let mut ada = server.person("ada").await;
    let bob = server.person("bob").await;
    let mut erased = server.person(GONE[0]).await;
    let put = reqwest::Method::PUT;
    let mut user = admin.get(&format!("/api/users/{}", erased.id)).await.json();
    (user["firstName"], user["lastName"]) = (json!(GONE[2]), json!(GONE[3]));
    user["displayName"] = json!(format!("{} {}", GONE[2], GONE[3]));
    admin.json(put.clone(), &format!("/api/users/{}", erased.id), &user).await.expect(200);
    // In flight when they are erased.
    erased.visitor.get("/api/webauthn/register/start").await.expect(200);
    let group = json!({ "name": "editors", "friendlyName": "Editors" });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json()["id"].clone();
    let path = format!("/api/user-groups/{}/users", group.as_str().unwrap());
    admin.json(put.clone(), &path, &json!({ "userIds": [ada.id, bob.id, erased.id] })).await.expect(200);
    let claims = json!([{ "key": "team", "value": "ops" }]);
    admin.json(put.clone(), &format!("/api/custom-claims/user/{}", ada.id), &claims).await.expect(200);

    let wiki = server.client(&json!({ "isGroupRestricted": true })).await;
    let groups = json!({ "userGroupIds": [group] });
    admin.json(put.clone(), &format!("/api/oidc/clients/{}/allowed-user-groups", wiki.id), &groups).await.expect(200);
    for person in [&mut ada, &mut erased] {
        let scope = [("scope", "openid profile offline_access")];
        let code = person.authorize(&wiki, &scope).await.expect(303).parameter("code").unwrap();
        let tokens = wiki.redeem(server, &code).await.expect(200).json();
        wiki.refresh(server, tokens["refresh_token"].as_str().unwrap()).await.expect(200);
    }
    wiki.token(server, &[("grant_type", "client_credentials")]).await.expect(200);

    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let response = SoftAuthenticator::hardware().create(&options, server.issuer());
    ada.visitor.post("/api/webauthn/register/finish", &response).await.expect(200);
    let mut thief = Person { visitor: server.visitor(), ..bob.clone() };
    thief.authenticator.bad_signature = true;
    thief.sign_in().await.expect(401);
    for person in [&mut ada, &mut erased] {
        let mut picture = std::io::Cursor::new(Vec::new());
        image::DynamicImage::new_rgb8(9, 9).write_to(&mut picture, image::ImageFormat::Png).unwrap();
        let path = "/api/users/me/profile-picture";
        person.visitor.upload(put.clone(), path, "me.png", picture.get_ref()).await.expect(204);
    }
    let mut user = admin.get(&format!("/api/users/{}", bob.id)).await.json();
    user["email"] = json!("robert@example.org");
    user["disabled"] = json!(true);
    admin.json(put, &format!("/api/users/{}", bob.id), &user).await.expect(200);
    admin.send(reqwest::Method::DELETE, &format!("/api/users/{}", erased.id), None, &[]).await.expect(204);
    ada
}

#[track_caller]
fn assert_equal(report: &Report) {
    let differing: Vec<_> = report.tables.iter().filter(|table| table.differing > 0).collect();
    assert!(differing.is_empty(), "{differing:?}");
    assert!(report.tables.iter().filter(|table| table.rows > 0).count() >= 15, "{:?}", report.tables);
}

#[tokio::test]
async fn ev09_a_replay_from_zero_equals_the_live_views() {
    let server = Server::start().await;
    busy_day(&server).await;
    assert!(server.app.history_reached(server.app.store.head()).await);

    let report = rebuilt(&server, false).await;

    assert_equal(&report);
    assert_eq!(report.position, server.app.store.feed().head().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn ev09_nobody_waits_while_the_views_are_compared() {
    let server = Server::start().await;
    let mut ada = busy_day(&server).await;
    assert!(server.app.history_reached(server.app.store.head()).await);
    let before = server.app.store.head();
    let (locked, lock) = oneshot::channel();

    let mut locked = Some(locked);
    let rebuilding = try_rebuild(&server, false, |_, _| {
        let Some(locked) = locked.take() else { return };
        tokio::task::block_in_place(|| Handle::current().block_on(lock_history(&server, locked)));
    });
    let meanwhile = async {
        let blocking = lock.await.unwrap();
        wait_for_the_comparison(&server).await;
        ada.sign_in().await.expect(200);
        server.person("carol").await;
        blocking.rollback().await.unwrap();
    };
    let (report, ()) = tokio::join!(rebuilding, meanwhile);

    let report = report.unwrap();
    assert_equal(&report);
    assert_eq!(report.position, before);
}

async fn lock_history(server: &Server, locked: oneshot::Sender<Transaction<'static, Postgres>>) {
    let mut transaction = server.app.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE").execute(&mut *transaction).await.unwrap();
    locked.send(transaction).unwrap();
}

/// Until it has come to the table of the history.
async fn wait_for_the_comparison(server: &Server) {
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                                  WHERE NOT l.granted AND l.relation = 'audit'::regclass AND a.query LIKE '%EXCEPT ALL%')";
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&server.app.pool).await.unwrap() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Decision 13: enabling became a cut-off when there were views already.
#[tokio::test]
async fn ev14_views_that_a_release_before_wrote_follow_what_enabling_means_now() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;
    let path = format!("/api/users/{}", ada.id);
    let mut user = admin.get(&path).await.json();
    for disabled in [true, false] {
        user["disabled"] = json!(disabled);
        admin.json(reqwest::Method::PUT, &path, &user).await.expect(200);
    }
    Person { visitor: server.visitor(), ..ada }.sign_in().await.expect(200);
    let wiki = server.client(&json!({})).await;
    for command in [ClientCommand::Disable, ClientCommand::Enable] {
        server.app.store.execute::<Client>(&wiki.id, command, &server.app.system()).await.unwrap();
    }
    assert!(server.app.history_reached(server.app.store.head()).await);
    // The event before was the last that counted.
    let older = "UPDATE grant_cutoffs SET position = position - 1";
    assert_eq!(sqlx::query(older).execute(&server.app.pool).await.unwrap().rows_affected(), 2);

    let migration = include_str!("../../../migrations/0062_enabling_cuts_off.sql");
    sqlx::raw_sql(migration).execute(&server.app.pool).await.unwrap();

    let report = rebuilt(&server, false).await;
    assert!(report.equal(), "{:?}", report.tables);
}

#[tokio::test]
async fn ev09_a_rebuild_that_is_killed_half_way_is_made_good_by_the_next_one() {
    let server = Server::start().await;
    let mut ada = busy_day(&server).await;
    assert!(server.app.history_reached(server.app.store.head()).await);

    for _ in 0..2 {
        // Its views are filled, and neither compared nor swapped.
        let killed = std::panic::AssertUnwindSafe(try_rebuild(&server, true, |_, _| panic!("killed")));
        assert!(killed.catch_unwind().await.is_err());
        let left = "SELECT count(*) FROM views_rebuilt.users";
        let left: i64 = sqlx::query_scalar(left).fetch_one(&server.app.pool).await.unwrap();
        assert!(left > 0);
        ada.visitor.get("/api/users/me").await.expect(200);
    }

    assert_equal(&rebuilt(&server, true).await);
    ada.visitor.get("/api/users/me").await.expect(200);
    assert_equal(&rebuilt(&server, false).await);
}

#[tokio::test]
async fn ev10_an_erased_person_is_in_no_table_and_unreadable_in_the_log() {
    let server = Server::start().await;
    let ada = busy_day(&server).await;
    let erased = "SELECT aggregate_id FROM events WHERE event_type = 'user.erased'";
    let gone: String = sqlx::query_scalar(erased).fetch_one(&server.app.pool).await.unwrap();
    assert!(server.app.history_reached(server.app.store.head()).await);

    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('views', 'public')",
    )
    .fetch_all(&server.app.pool)
    .await
    .unwrap();
    for needed in ["public.events", "public.short_lived", "public.mails", "views.users", "views.audit"] {
        assert!(tables.iter().any(|table| table == needed), "{needed}");
    }
    for table in tables {
        for text in GONE {
            let sql = format!("SELECT count(*) FROM {table} AS t WHERE strpos(lower(t::text), lower($1)) > 0");
            let found: i64 = sqlx::query_scalar(&sql).bind(text).fetch_one(&server.app.pool).await.unwrap();
            assert_eq!(found, 0, "{table} has {text}");
        }
    }
    // Opened with every key that is left, the log knows no value of theirs any more, and tells the gaps.
    let events = server.app.store.feed().read(0, 10_000).await.unwrap();
    let told: String = events.iter().map(|recorded| format!("{recorded:?}")).collect();
    let values = |id: &str, what: &str| told.matches(&format!("Personal(user:{id}: {what})")).count();
    assert_eq!(values(&gone, "…"), 0);
    assert!(values(&gone, "erased") > 5 && values(&ada.id, "…") > 5 && values(&ada.id, "erased") == 0, "{told}");
    let log = server.admin.clone().get("/api/events?limit=1000").await.expect(200).text;
    assert!(log.contains(&gone) && log.contains("ada@example.org"));
    assert!(!GONE.iter().any(|text| log.contains(text)), "{log}");
    // Taken names are free again.
    server.person(GONE[0]).await;
}

#[tokio::test]
async fn swapped_views_serve_on() {
    let server = Server::start().await;
    let mut ada = busy_day(&server).await;
    assert!(server.app.history_reached(server.app.store.head()).await);

    assert_equal(&rebuilt(&server, true).await);

    ada.visitor.get("/api/users/me").await.expect(200);
    ada.sign_in().await.expect(200);
    server.person("carol").await;
    assert!(server.app.history_reached(server.app.store.head()).await);
    assert_equal(&rebuilt(&server, false).await);
}

/// Sessions, links, grants, and what ended grants.
/// Who serves has a role of its own, which owns nothing.
#[tokio::test]
async fn whoever_might_use_the_views_may_use_the_swapped_ones_at_once() {
    let server = Server::start().await;
    let role = format!("serving_{}", uuid::Uuid::new_v4().simple());
    sqlx::raw_sql(&format!("CREATE ROLE {role}")).execute(&server.app.pool).await.unwrap();
    postgres::grant(&mut postgres::connect(&server.database).await.unwrap(), &role).await.unwrap();
    let rights = async || -> Vec<(String, bool)> {
        let rights = "SELECT tablename::text, has_schema_privilege($1, 'views', 'USAGE')
                             AND has_table_privilege($1, 'views.' || tablename, 'SELECT, INSERT, UPDATE, DELETE')
                      FROM pg_tables WHERE schemaname = 'views' ORDER BY tablename";
        sqlx::query_as(rights).bind(&role).fetch_all(&server.app.pool).await.unwrap()
    };
    let before = rights().await;
    assert!(before.iter().all(|(_, may)| *may));

    assert!(rebuilt(&server, true).await.equal());

    assert_eq!(rights().await, before);
    sqlx::raw_sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).execute(&server.app.pool).await.unwrap();
}

/// A backup reads all tables to its end, and appends wait for the swap.
#[tokio::test]
async fn a_swap_that_cannot_have_the_tables_gives_up_and_nobody_waits_for_it() {
    let server = Server::start().await;
    let app = server.client(&json!({})).await;
    let mut backup = server.app.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM views.users").execute(&mut *backup).await.unwrap();
    // The server ends what is idle in a transaction, which a backup is not.
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut *backup).await.unwrap();

    let swapping =
        tokio::time::timeout(std::time::Duration::from_secs(20), try_rebuild(&server, true, |_, _| {})).await;

    assert!(swapping.expect("it gives up").is_err());
    app.token(&server, &[("grant_type", "client_credentials")]).await.expect(200);
    drop(backup);
    assert!(rebuilt(&server, true).await.equal());
}

async fn short_lived(server: &Server) -> [i64; 4] {
    let count = "SELECT ARRAY[(SELECT count(*) FROM sessions), (SELECT count(*) FROM enrollments),
                              (SELECT count(*) FROM grants), (SELECT count(*) FROM grant_cutoffs)]";
    let counted: Vec<i64> = sqlx::query_scalar(count).fetch_one(&server.app.pool).await.unwrap();
    counted.try_into().unwrap()
}

async fn history(server: &Server) -> i64 {
    assert!(server.app.history_reached(server.app.store.head()).await);
    sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&server.app.pool).await.unwrap()
}

/// Moves the clock beyond everything that has happened, for the server and for the database alike.
fn days_later(server: &Server, days: i64) {
    // The log has the database's time.
    let now = OffsetDateTime::now_utc().max(server.app.now());
    server.later(now - server.app.now() + Duration::days(days));
}

#[tokio::test]
async fn what_ended_long_ago_leaves_the_views_and_a_rebuild_comes_out_equal() {
    let server = Server::start().await;
    let mut ada = busy_day(&server).await;
    let (before, told) = (short_lived(&server).await, history(&server).await);
    assert!(before.iter().all(|rows| *rows > 0), "{before:?}");
    assert_eq!(prune::run(&server.app.pool, server.app.now()).await.unwrap(), Pruned::default(), "nothing is over");

    days_later(&server, 100);
    let [one, other] = [server.app.pool.clone(), server.app.pool.clone()];
    let now = server.app.now();
    let (one, other) = tokio::join!(prune::run(&one, now), prune::run(&other, now));
    let (one, other) = (one.unwrap(), other.unwrap());

    assert_eq!(short_lived(&server).await, [0, 0, 0, 0]);
    let removed = [one.sessions + other.sessions, one.enrollments + other.enrollments, one.grants + other.grants];
    assert_eq!(removed[..], [before[0] as u64, before[1] as u64, before[2] as u64]);
    assert_eq!(history(&server).await, told);
    assert_equal(&rebuilt_without(&server, false, &["sessions", "enrollments", "grants", "grant_cutoffs"]).await);
    ada.sign_in().await.expect(200);
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    wiki.redeem(&server, &code).await.expect(200);
    assert_equal(&rebuilt(&server, true).await);
    ada.visitor.get("/api/users/me").await.expect(200);
}

/// The tables that were emptied do not count for how much there is to compare.
async fn rebuilt_without(server: &Server, swap: bool, emptied: &[&str]) -> Report {
    let mut report = rebuilt(server, swap).await;
    for table in report.tables.iter_mut().filter(|table| emptied.contains(&table.table.as_str())) {
        assert_eq!(table.rows, 0, "{table:?}");
        table.rows = 1;
    }
    report
}

#[tokio::test]
async fn what_is_noted_and_not_yet_removed_is_no_difference_and_goes_with_the_swap() {
    let server = Server::start().await;
    busy_day(&server).await;
    let told = history(&server).await;
    days_later(&server, 100);

    sqlx::query("UPDATE pruned SET ended_before = $1, position = (SELECT max(position) FROM events)")
        .bind(server.app.now())
        .execute(&server.app.pool)
        .await
        .unwrap();

    let emptied = ["sessions", "enrollments", "grants", "grant_cutoffs"];
    assert_equal(&rebuilt_without(&server, false, &emptied).await);
    assert_ne!(short_lived(&server).await, [0, 0, 0, 0], "who compares changes nothing");
    assert_equal(&rebuilt_without(&server, true, &emptied).await);
    assert_eq!(short_lived(&server).await, [0, 0, 0, 0]);
    assert_eq!(history(&server).await, told);
}

#[tokio::test]
async fn a_grant_stays_for_as_long_as_any_app_may_let_one_live() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let minutes = 200 * 24 * 60;
    let wiki = server.client(&json!({ "refreshTokenDurationMinutes": minutes })).await;
    let code = ada.authorize(&wiki, &[("scope", "openid offline_access")]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let [.., grants, _] = short_lived(&server).await;

    days_later(&server, 190);
    let removed = prune::run(&server.app.pool, server.app.now()).await.unwrap();

    assert!(removed.sessions > 0 && removed.enrollments > 0, "{removed:?}");
    assert_eq!(removed.grants, 0);
    assert_eq!(short_lived(&server).await[2], grants);
    // The end of this grant is on the clock that tests set, which the database is ahead of or behind.
    days_later(&server, 30);
    assert_eq!(prune::run(&server.app.pool, server.app.now()).await.unwrap().grants, grants as u64);
    wiki.refresh(&server, tokens["refresh_token"].as_str().unwrap()).await.expect(400);
}
