//! Places of sign-ins, and what is said of the database that knows them. Attack RL-07.

use chancery_tests::maxmind::DATABASE;
use chancery_tests::server::Server;

const MAKER: &str = "This product includes GeoLite2 Data created by MaxMind, available from \
                     <a href=\"https://www.maxmind.com\">https://www.maxmind.com</a>.";

#[tokio::test]
async fn a_sign_in_is_recorded_with_its_place() {
    let server = Server::with(&[("GEOLITE_DB_PATH", DATABASE), ("TRUST_PROXY", "127.0.0.1")]).await;
    let mut ada = server.person("ada").await;
    ada.visitor.headers = vec![("x-forwarded-for".to_owned(), "89.160.20.112".to_owned())];

    ada.sign_in().await.expect(200);

    let all = server.admin.clone().get("/api/audit-logs/all?pagination[limit]=1").await.expect(200).json();
    let row = &all["data"][0];
    assert_eq!([&row["ipAddress"], &row["country"], &row["city"]], ["89.160.20.112", "Sweden", "Linköping"]);
}

#[tokio::test]
async fn people_read_the_name_of_a_country_and_not_its_code() {
    let server = Server::with(&[("GEOLITE_DB_PATH", DATABASE), ("TRUST_PROXY", "127.0.0.1")]).await;
    let mut ada = server.person("ada").await;
    ada.visitor.headers = vec![("x-forwarded-for".to_owned(), "89.160.20.112".to_owned())];
    ada.sign_in().await.expect(200);

    for path in ["/account/sessions", "/account/activity", "/account/passkeys"] {
        let page = ada.visitor.get(path).await.expect(200).text;
        assert!(page.contains("Linköping, Sweden") && !page.contains("Linköping, SE"), "{path}: {page}");
    }

    // Of this address only the country is known.
    ada.visitor.headers = vec![("x-forwarded-for".to_owned(), "67.43.156.1".to_owned())];
    ada.sign_in().await.expect(200);
    let mut root = server.first_admin().await;
    let page = root.visitor.get("/admin/history?place=BT").await.expect(200).text;
    assert!(page.contains("<option value=\"BT\" selected>Bhutan</option>"), "{page}");
    assert!(page.contains("67.43.156.1") && !page.contains("89.160.20.112"), "{page}");
}

#[tokio::test]
async fn pages_that_show_places_name_who_made_the_database() {
    let server = Server::with(&[("GEOLITE_DB_PATH", DATABASE)]).await;
    let mut root = server.first_admin().await;

    let person = format!("/admin/people/{}", root.id);
    for path in ["/account/sessions", "/account/activity", "/admin", "/admin/history", "/admin/history/1", &person] {
        let page = root.visitor.get(path).await.expect(200).text;
        assert!(page.contains(MAKER), "{path}");
    }
    for path in ["/account", "/account/passkeys", "/admin/groups"] {
        assert!(!root.visitor.get(path).await.expect(200).text.contains("MaxMind"), "{path}");
    }
}

#[tokio::test]
async fn administrators_see_how_old_the_database_is() {
    let server = Server::with(&[("GEOLITE_DB_PATH", DATABASE)]).await;
    let mut root = server.first_admin().await;

    let page = root.visitor.get("/admin/diagnostics").await.expect(200).text;
    assert!(page.contains("GeoLite2-City") && page.contains(" days old"), "{page}");
    assert!(page.contains("Localhost, an internal address"), "{page}");
    let overview = root.visitor.get("/admin").await.expect(200).text;
    assert!(overview.contains("Places may be out of date"), "{overview}");
}

#[tokio::test]
async fn without_a_database_nothing_is_claimed_and_the_overview_says_what_to_do() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;

    let overview = root.visitor.get("/admin").await.expect(200).text;

    assert!(overview.contains("Places are not known") && overview.contains("MAXMIND_LICENSE_KEY"), "{overview}");
    assert!(!overview.contains("created by MaxMind"));
}
