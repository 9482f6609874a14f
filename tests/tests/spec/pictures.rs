//! Profile pictures at Pocket ID's addresses, for apps and on our pages; attacks UP-01 to UP-06.

use std::io::Cursor;

use chancery_adapters::postgres;
use chancery_domain::personal::Subject;
use chancery_projections::pictures;
use chancery_tests::node::{Person, userinfo};
use chancery_tests::server::Server;
use chancery_tests::visitor::{Answer, Visitor};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::Method;
use serde_json::json;
use time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OWN: &str = "/api/users/me/profile-picture";

fn address(person: &Person) -> String {
    format!("/api/users/{}/profile-picture.png", person.id)
}

fn file(color: [u8; 3], format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(RgbImage::from_pixel(60, 40, Rgb(color))).write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn red() -> Vec<u8> {
    file([200, 0, 0], ImageFormat::Png)
}

fn blue() -> Vec<u8> {
    file([0, 0, 200], ImageFormat::Jpeg)
}

/// The color in the middle.
fn color(answer: &Answer) -> [u8; 3] {
    let picture = image::load_from_memory_with_format(&answer.bytes, ImageFormat::Png).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (300, 300));
    picture.get_pixel(150, 150).0
}

fn is_near(color: [u8; 3], wanted: [u8; 3]) -> bool {
    color.iter().zip(wanted).all(|(is, wanted)| is.abs_diff(wanted) < 8)
}

async fn kept(server: &Server) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM sealed_pictures").fetch_one(&server.app.pool).await.unwrap()
}

/// The names and payloads of the events about pictures.
async fn recorded(server: &Server) -> Vec<String> {
    let sql = "SELECT event_type FROM events WHERE event_type LIKE 'user.picture%' ORDER BY position";
    sqlx::query_scalar(sql).fetch_all(&server.app.pool).await.unwrap()
}

#[tokio::test]
async fn a_person_uploads_replaces_and_removes_their_picture() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let own = address(&ada);
    let look = async || server.visitor().get(&own).await.expect(200);
    let initials = look().await;

    let set = ada.visitor.upload(Method::PUT, OWN, "me.png", &red()).await.expect(204);
    assert_eq!(set.text, "");
    assert!(is_near(color(&look().await), [200, 0, 0]));
    ada.visitor.upload(Method::PUT, OWN, "me.jpg", &blue()).await.expect(204);
    assert!(is_near(color(&look().await), [0, 0, 200]));
    assert_eq!(kept(&server).await, 1, "what was replaced is gone");
    for _ in 0..2 {
        ada.visitor.send(Method::DELETE, OWN, None, &[]).await.expect(204);
        assert_eq!(look().await.bytes, initials.bytes);
    }

    assert_eq!(kept(&server).await, 0);
    assert_eq!(recorded(&server).await, ["user.picture_set", "user.picture_set", "user.picture_removed"]);
}

#[tokio::test]
async fn an_administrator_sets_and_removes_the_picture_of_a_person_and_nobody_else_does() {
    let server = Server::start().await;
    let (ada, mut bob) = (server.person("ada").await, server.person("bob").await);
    let path = format!("/api/users/{}/profile-picture", ada.id);
    let mut admin = server.admin.clone();

    admin.upload(Method::PUT, &path, "ada.png", &red()).await.expect(204);
    assert!(is_near(color(&server.visitor().get(&address(&ada)).await), [200, 0, 0]));
    for answer in [
        bob.visitor.upload(Method::PUT, &path, "x.png", &blue()).await.expect(403),
        bob.visitor.send(Method::DELETE, &path, None, &[]).await.expect(403),
    ] {
        assert_eq!(answer.json()["code"], "forbidden");
    }
    server.visitor().upload(Method::PUT, &path, "x.png", &blue()).await.expect(401);
    admin.send(Method::DELETE, &path, None, &[]).await.expect(204);
    let nobody = format!("/api/users/{}/profile-picture", uuid::Uuid::new_v4());
    let answer = admin.upload(Method::PUT, &nobody, "x.png", &blue()).await.expect(404);
    assert_eq!(answer.json()["code"], "user_not_found");

    assert_eq!(recorded(&server).await, ["user.picture_set", "user.picture_removed"]);
}

#[tokio::test]
async fn anybody_may_look_and_keep_it_for_a_quarter_of_an_hour() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut stranger = Visitor::new(&server.base);

    for _ in 0..2 {
        let answer = stranger.get(&address(&ada)).await.expect(200);
        assert_eq!(answer.header("content-type"), "image/png");
        assert_eq!(answer.header("cache-control"), "public, max-age=900, stale-while-revalidate=3600");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        assert_eq!(answer.header("set-cookie"), "");
        let tag = answer.header("etag").to_owned();
        assert!(tag.len() > 4 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let headers = [("if-none-match", known.as_str())];
            let same = stranger.send(Method::GET, &address(&ada), None, &headers).await.expect(304);
            assert_eq!((same.bytes.len(), same.header("etag")), (0, tag.as_str()));
        }
        let headers = [("if-none-match", "\"other\"")];
        stranger.send(Method::GET, &address(&ada), None, &headers).await.expect(200);
        let head = stranger.send(Method::HEAD, &address(&ada), None, &[]).await;
        assert_eq!((head.status, head.header("content-type")), (200, "image/png"));

        ada.visitor.upload(Method::PUT, OWN, "me.png", &red()).await.expect(204);
        let headers = [("if-none-match", tag.as_str())];
        let newer = stranger.send(Method::GET, &address(&ada), None, &headers).await.expect(200);
        assert_ne!(newer.header("etag"), tag);
    }
}

#[tokio::test]
async fn a_picture_of_nobody_is_not_found_and_what_is_no_id_is_said() {
    let server = Server::start().await;
    let mut visitor = server.visitor();

    for id in [uuid::Uuid::new_v4(), uuid::Uuid::nil()] {
        let answer = visitor.get(&format!("/api/users/{id}/profile-picture.png")).await.expect(404);
        assert_eq!(answer.json()["code"], "user_not_found");
    }
    for id in ["me", "ada", "1"] {
        let answer = visitor.get(&format!("/api/users/{id}/profile-picture.png")).await.expect(400);
        assert_eq!(answer.json()["code"], "validation_failed");
        assert_eq!(answer.json()["details"]["fields"][0]["field"], "userId");
    }
}

#[tokio::test]
async fn the_claim_leads_to_the_picture_and_tells_when_it_changed() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let token = wiki.redeem(&server, &code).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let told = async || userinfo(&server, &token).await.expect(200).json();
    let before = told().await;

    assert_eq!(before["picture"], format!("{}{}", server.issuer(), address(&ada)));
    server.visitor().get(before["picture"].as_str().unwrap()).await.expect(200);
    let changed = async || {
        let sql = "SELECT updated_at FROM users WHERE user_id::text = $1";
        sqlx::query_scalar::<_, time::OffsetDateTime>(sql).bind(&ada.id).fetch_one(&server.app.pool).await.unwrap()
    };
    let at = changed().await;
    ada.visitor.clone().upload(Method::PUT, OWN, "me.png", &red()).await.expect(204);

    assert!(changed().await > at, "the claim updated_at grows");
    assert_eq!(told().await["picture"], before["picture"], "the address stays");
    let metadata = server.visitor().get("/.well-known/openid-configuration").await.json();
    assert!(metadata["claims_supported"].as_array().unwrap().contains(&json!("picture")));
}

#[tokio::test]
async fn up02_what_is_no_picture_is_refused_and_nothing_is_recorded() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;

    for (name, file) in [
        ("x.svg", svg.as_slice()),
        ("x.png", b"<!doctype html><script>alert(1)</script>"),
        ("x.png", &red()[..40]),
        ("x.png", b""),
    ] {
        let answer = ada.visitor.upload(Method::PUT, OWN, name, file).await.expect(400);
        assert_eq!(answer.json()["code"], "invalid_image", "{}", answer.text);
    }
    let json = ada.visitor.json(Method::PUT, OWN, &json!({ "file": "x" })).await.expect(400).json();
    assert_eq!(json["details"]["fields"][0]["field"], "file");
    let form = [("content-type", "multipart/form-data; boundary=frontier")];
    let other = "--frontier\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nx\r\n--frontier--\r\n".to_owned();
    for body in [other, "--frontier".to_owned(), String::new()] {
        let answer = ada.visitor.send(Method::PUT, OWN, Some(body), &form).await.expect(400);
        assert_eq!(answer.json()["code"], "validation_failed");
    }

    assert_eq!(recorded(&server).await, Vec::<String>::new());
    assert_eq!(kept(&server).await, 0);
}

#[tokio::test]
async fn up04_what_is_too_large_is_refused_unread() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    // IHDR says 20 000 × 20 000 pixels.
    let mut bomb = red();
    bomb[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let sum = crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());

    for file in [bomb, [red(), vec![0; 5 * 1024 * 1024]].concat(), vec![0; 6 * 1024 * 1024]] {
        let answer = ada.visitor.upload(Method::PUT, OWN, "x.png", &file).await.expect(413);
        let answer = answer.json();
        assert_eq!((&answer["code"], &answer["details"]), (&json!("file_too_large"), &json!({ "max_size": "5 MB" })));
    }
    let page = ada.visitor.upload(Method::POST, "/account/picture", "x.png", &vec![0; 6 * 1024 * 1024]).await;
    assert!(page.text.contains("This picture is too large"), "{}", page.text);
    // Nothing else takes as much.
    let other = ada.visitor.upload(Method::POST, "/account", "x.png", &vec![0; 100_000]).await;
    assert_eq!(other.status, 413);

    assert_eq!(recorded(&server).await, Vec::<String>::new());
}

/// The sum of a PNG chunk (PNG §5.5).
fn crc(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

#[tokio::test]
async fn up05_what_a_file_is_called_means_nothing() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    for name in ["../../x.svg", &"x".repeat(300), "", "x.exe"] {
        ada.visitor.upload(Method::PUT, OWN, name, &red()).await.expect(204);
    }

    assert!(is_near(color(&server.visitor().get(&address(&ada)).await), [200, 0, 0]));
}

#[tokio::test]
async fn a_disabled_person_is_shown_to_nobody_until_they_are_enabled() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut admin = server.admin.clone();
    ada.visitor.upload(Method::PUT, OWN, "me.png", &red()).await.expect(204);
    let path = format!("/api/users/{}", ada.id);
    let mut user = admin.get(&path).await.expect(200).json();

    user["disabled"] = json!(true);
    admin.json(Method::PUT, &path, &user).await.expect(200);
    let hidden = server.visitor().get(&address(&ada)).await.expect(404);
    assert_eq!(hidden.json()["code"], "user_not_found");
    user["disabled"] = json!(false);
    admin.json(Method::PUT, &path, &user).await.expect(200);

    assert!(is_near(color(&server.visitor().get(&address(&ada)).await.expect(200)), [200, 0, 0]));
}

#[tokio::test]
async fn an_erased_persons_picture_is_gone_and_cannot_be_opened() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    ada.visitor.upload(Method::PUT, OWN, "me.png", &red()).await.expect(204);
    let sealed: Vec<u8> =
        sqlx::query_scalar("SELECT sealed FROM sealed_pictures").fetch_one(&server.app.pool).await.unwrap();
    assert!(!sealed.windows(4).any(|part| part == b"IHDR"), "it is sealed");

    let path = format!("/api/users/{}", ada.id);
    server.admin.clone().send(Method::DELETE, &path, None, &[]).await.expect(204);

    server.visitor().get(&address(&ada)).await.expect(404);
    assert_eq!(kept(&server).await, 0);
    let subject = Subject::user(ada.id.parse().unwrap());
    let opened = server.app.store.vault().open_bytes(&subject, "picture", &sealed).await.unwrap();
    assert_eq!(opened, None);
}

#[tokio::test]
async fn a_picture_that_is_not_the_one_the_log_names_is_not_served() {
    let server = Server::start().await;
    let (mut ada, mut bob) = (server.person("ada").await, server.person("bob").await);
    for (person, file) in [(&mut ada, red()), (&mut bob, blue())] {
        person.visitor.upload(Method::PUT, OWN, "me.png", &file).await.expect(204);
    }

    sqlx::query(
        "UPDATE sealed_pictures SET sealed = (SELECT sealed FROM sealed_pictures WHERE user_id::text = $2)
         WHERE user_id::text = $1",
    )
    .bind(&ada.id)
    .bind(&bob.id)
    .execute(&server.app.pool)
    .await
    .unwrap();

    let answer = server.visitor().get(&address(&ada)).await.expect(500);
    assert_eq!(answer.json()["code"], "internal_error");
    server.visitor().get(&address(&bob)).await.expect(200);
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_what_somebody_has_is_not() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    ada.visitor.upload(Method::PUT, OWN, "me.png", &red()).await.expect(204);
    sqlx::query("INSERT INTO sealed_pictures SELECT '\\x00', user_id, sealed, stored_at FROM sealed_pictures")
        .execute(&server.app.pool)
        .await
        .unwrap();
    let now = server.app.now();

    assert_eq!(pictures::sweep(&server.app.pool, now).await.unwrap(), 0, "its event may be on its way");
    assert_eq!(pictures::sweep(&server.app.pool, now + Duration::hours(2)).await.unwrap(), 1);

    assert!(is_near(color(&server.visitor().get(&address(&ada)).await.expect(200)), [200, 0, 0]));
}

#[tokio::test]
async fn the_pages_take_a_picture_and_say_what_is_wrong_with_it() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut ada = server.person("ada").await;
    let page = format!("/admin/people/{}", ada.id);

    let wrong = ada.visitor.upload(Method::POST, "/account/picture", "x.png", b"no picture").await.expect(200);
    assert!(wrong.text.contains("This is no picture that can be read"), "{}", wrong.text);
    assert!(wrong.text.contains(r#"aria-describedby="file-wrong file-hint""#));
    let none = ada.visitor.send(Method::POST, "/account/picture", None, &[]).await.expect(200);
    assert!(none.text.contains("Choose a picture first."));
    let saved = ada.visitor.upload(Method::POST, "/account/picture", "x.png", &red()).await.expect(303);
    assert_eq!(saved.location().path(), "/account");
    let shown = format!(r#"<img class="icon" src="{}?v="#, address(&ada));
    assert_eq!(ada.visitor.get("/account").await.text.matches(&shown).count(), 3, "rail, head and form");
    assert!(root.visitor.get(&page).await.text.contains(&shown));
    assert!(root.visitor.get("/admin/people").await.text.contains(&shown));

    let removed = root.visitor.form(&format!("{page}/picture/remove"), &[]).await.expect(303);
    assert_eq!(removed.location().path(), page);
    root.visitor.upload(Method::POST, &format!("{page}/picture"), "x.png", &blue()).await.expect(303);
    ada.visitor.form("/account/picture/remove", &[]).await.expect(303);
    ada.visitor.upload(Method::POST, &format!("{page}/picture"), "x.png", &blue()).await.expect(403);
    server.later(Duration::minutes(6));
    let late = root.visitor.upload(Method::POST, &format!("{page}/picture"), "x.png", &blue()).await.expect(303);
    assert_eq!(late.location().path(), "/reauthenticate");

    assert_eq!(recorded(&server).await.len(), 4);
    assert!(server.app.history_reached(server.app.store.head()).await);
    let history = root.visitor.get("/admin/history").await.text;
    for sentence in
        ["changed their picture", "removed the picture of", "changed the picture of", "removed their picture"]
    {
        assert!(history.contains(sentence), "{sentence}");
    }
}

#[tokio::test]
async fn se06_another_site_cannot_set_a_picture() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut elsewhere = Visitor { origin: "https://evil.example".into(), ..ada.visitor.clone() };

    elsewhere.upload(Method::POST, "/account/picture", "x.png", &red()).await.expect(403);
    elsewhere.upload(Method::PUT, OWN, "x.png", &red()).await.expect(403);

    ada.visitor.get("/account").await.expect(200);
    assert_eq!(recorded(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_serving_role_may_do_what_pictures_need() {
    let server = Server::start().await;
    let mut owner = postgres::connect(&server.database).await.unwrap();
    let role = format!("serving_{}", uuid::Uuid::new_v4().simple());
    sqlx::query(&format!("CREATE ROLE {role}")).execute(&mut owner).await.unwrap();

    postgres::grant(&mut owner, &role).await.unwrap();

    for right in ["SELECT", "INSERT", "DELETE"] {
        let sql = "SELECT has_table_privilege($1, 'public.sealed_pictures', $2)
                          AND has_table_privilege($1, 'views.pictures', $2)";
        let may: bool = sqlx::query_scalar(sql).bind(&role).bind(right).fetch_one(&mut owner).await.unwrap();
        assert!(may, "{right}");
    }
    sqlx::query(&format!("DROP OWNED BY {role}")).execute(&mut owner).await.unwrap();
    sqlx::query(&format!("DROP ROLE {role}")).execute(&mut owner).await.unwrap();
}

#[tokio::test]
async fn se03_whose_session_ends_while_their_picture_is_on_its_way_has_it_refused() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let head = "--frontier\r\ncontent-disposition: form-data; name=\"file\"; filename=\"me.png\"\r\n\r\n";
    let body = [head.as_bytes(), &red(), b"\r\n--frontier--\r\n"].concat();

    for (request, refused) in [(format!("PUT {OWN}"), "401"), ("POST /account/picture".to_owned(), "303")] {
        let cookies: Vec<_> = ada.visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {}\r\nCookie: {}\r\n\
             Content-Type: multipart/form-data; boundary=frontier\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            server.issuer(),
            cookies.join("; "),
            body.len()
        );
        let address = server.base.trim_start_matches("http://").replace("localhost", "127.0.0.1");
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "the file is waited for");

        ada.visitor.post("/api/sessions/end-all", &json!({})).await.expect(204);
        stream.write_all(&body).await.unwrap();

        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {refused} ")), "{answer}");
        assert_eq!(recorded(&server).await, Vec::<String>::new());
        ada.sign_in().await.expect(200);
    }
}
