//! The OpenAPI document. That answers are as it says, the visitor checks with every request of every test.

use chancery_tests::server::Server;
use reqwest::Method;

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
