//! The OpenAPI document. That answers are as it says, the visitor checks with every request of every test.

use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::json;
use time::Duration;
use time::format_description::well_known::Rfc3339;

#[tokio::test]
async fn the_document_is_served_and_names_this_issuer() {
    let server = Server::start().await;
    let answer = server.visitor().get("/api/openapi.json").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.1");
    assert_eq!(document["servers"][0]["url"], server.issuer());
}

/// Whoever is not signed in is asked to, or hears that the id in the path leads nowhere; no operation is missing.
#[tokio::test]
async fn every_operation_of_the_document_is_there() {
    let server = Server::start().await;
    let document = chancery_api::openapi::document(server.issuer());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = operation.get("requestBody").map(|_| "{}".to_owned());
            let json = [("content-type", "application/json")];
            let answer = server.visitor().send(method.clone(), path, body, &json).await;
            let open = operation["security"].as_array().unwrap().is_empty();
            let missing = answer.status == 405 || answer.text.contains("API endpoint not found");
            assert!(!missing, "{method} {path}: {} {}", answer.status, answer.text);
            assert!(open || answer.status == 401, "{method} {path}: {} {}", answer.status, answer.text);
        }
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let document = chancery_api::openapi::document("https://id.example");
    let text = document.to_string();
    let references = text.split("\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "{name} is not used");
    }
}

/// A generated client asks by what the document names, and must get what it asked for.
#[tokio::test]
async fn what_narrows_a_list_is_in_the_document_and_nothing_else_is() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let wiki = server.client(&json!({})).await;
    root.authorize(&wiki, &[]).await.expect(303);
    let end = (server.app.now() + Duration::days(1)).format(&Rfc3339).unwrap();
    root.visitor.post("/api/api-keys", &json!({ "name": "Deploy", "expiresAt": end })).await.expect(201);
    root.visitor.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.expect(201);
    let document = chancery_api::openapi::document(server.issuer());

    let mut lists = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let parameters = operations["get"]["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<_> =
            parameters.map(|one| (one["name"].as_str().unwrap(), one["schema"]["items"]["type"].as_str())).collect();
        if !parameters.iter().any(|(name, _)| *name == "pagination[page]") {
            continue;
        }
        lists += 1;
        let path = path.replace("{id}", &root.id);
        let mut total = async |query: &str| {
            let list = root.visitor.get(&format!("{path}?{query}")).await.expect(200).json();
            list["pagination"]["totalItems"].as_i64().unwrap()
        };
        let all = total("").await;
        assert!(all > 0, "{path}");
        let is_searched = parameters.iter().any(|(name, _)| *name == "search");
        assert_eq!(total("search=nothing-is-called-so").await == 0, is_searched, "{path}");
        for (name, kind) in parameters.iter().filter(|(name, _)| name.starts_with("filters[")) {
            match kind {
                Some("boolean") => {
                    let halves = [total(&format!("{name}=true")).await, total(&format!("{name}=false")).await];
                    assert_eq!(halves.iter().sum::<i64>(), all, "{path} {name}");
                    assert_eq!(total(&format!("{name}=true&{name}=false")).await, all, "{path} {name}");
                }
                _ => assert_eq!(total(&format!("{name}=nothing-is-called-so")).await, 0, "{path} {name}"),
            }
        }
    }
    assert_eq!(lists, 9);
}
