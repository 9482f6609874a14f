//! Every operation, one a line.

use Answer::{Image, ListOf, Nothing, One, PageOf};
use Who::{Admin, Anybody, Browser, Person};

/// Who may ask.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    Anybody,
    /// Whoever is signed in, for themselves.
    Person,
    /// The same with a browser only: an API key cannot hold a ceremony.
    Browser,
    Admin,
}

/// What comes back, by the names of schemas.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Nothing,
    Image,
    One(&'static str),
    ListOf(&'static str),
    PageOf(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub who: Who,
    pub summary: &'static str,
    /// The schema of the body.
    pub body: Option<&'static str>,
    pub status: u16,
    pub answer: Answer,
    /// Whether `search` narrows the list.
    pub searched: bool,
    /// What else does: the fields of `filters[…]`, with their types.
    pub filters: &'static [(&'static str, &'static str)],
    /// Whether it can depend on what its caller saw (`If-Match`, RFC 9110 §13.1.1).
    pub conditional: bool,
}

const fn get(path: &'static str, who: Who, summary: &'static str, answer: Answer) -> Operation {
    Operation {
        method: "get",
        path,
        who,
        summary,
        body: None,
        status: 200,
        answer,
        searched: false,
        filters: &[],
        conditional: false,
    }
}

/// A list in pages.
const fn list(
    path: &'static str,
    who: Who,
    summary: &'static str,
    item: &'static str,
    searched: bool,
    filters: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation { searched, filters, ..get(path, who, summary, PageOf(item)) }
}

const fn delete(path: &'static str, who: Who, summary: &'static str) -> Operation {
    Operation { method: "delete", status: 204, ..get(path, who, summary, Nothing) }
}

/// Of a whole thing that `GET` shows.
const fn delete_whole(path: &'static str, who: Who, summary: &'static str) -> Operation {
    Operation { conditional: true, ..delete(path, who, summary) }
}

const fn put(path: &'static str, who: Who, summary: &'static str, body: &'static str, answer: Answer) -> Operation {
    Operation { method: "put", body: Some(body), conditional: true, ..get(path, who, summary, answer) }
}

/// A file, in a form (`multipart/form-data`).
const fn put_file(path: &'static str, who: Who, summary: &'static str) -> Operation {
    Operation { method: "put", body: Some(FILE), status: 204, ..get(path, who, summary, Nothing) }
}

const fn post(
    path: &'static str,
    who: Who,
    summary: &'static str,
    body: Option<&'static str>,
    status: u16,
    answer: Answer,
) -> Operation {
    Operation { method: "post", body, status, ..get(path, who, summary, answer) }
}

/// The schema of a form with a file.
pub const FILE: &str = "File";
/// The schema of the one body that may be left out.
pub const SECRET: &str = "SecretInput";

const SEARCHED: bool = true;
const UNSEARCHED: bool = false;
const PEOPLE: &[(&str, &str)] = &[("isAdmin", "boolean"), ("disabled", "boolean"), ("emailVerified", "boolean")];
const APPS: &[(&str, &str)] = &[
    ("isPublic", "boolean"),
    ("pkceEnabled", "boolean"),
    ("requiresReauthentication", "boolean"),
    ("requiresPushedAuthorizationRequests", "boolean"),
    ("skipConsent", "boolean"),
    ("isGroupRestricted", "boolean"),
    ("clientType", "string"),
];
const LAUNCHABLE: &[(&str, &str)] = &[("hasLaunchURL", "boolean")];
const HISTORY: &[(&str, &str)] =
    &[("userID", "string"), ("clientName", "string"), ("event", "string"), ("location", "string")];

#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    list("/api/users", Admin, "List people", "User", SEARCHED, PEOPLE),
    post("/api/users", Admin, "Register a person", Some("UserInput"), 201, One("User")),
    get("/api/users/me", Person, "Who is asking", One("User")),
    put("/api/users/me", Person, "Change one's own profile", "UserInput", One("User")),
    post("/api/users/me/send-email-verification", Person, "Ask for a mail to prove one's e-mail address", None, 204, Nothing),
    post("/api/users/me/verify-email", Browser, "Prove one's e-mail address", Some("EmailVerification"), 204, Nothing),
    get("/api/users/{id}", Admin, "A person", One("User")),
    put("/api/users/{id}", Admin, "Change a person", "UserInput", One("User")),
    delete_whole("/api/users/{id}", Admin, "Erase a person: their data key is destroyed"),
    get("/api/users/{id}/profile-picture.png", Anybody, "The picture of a person, or their initials; not of a disabled one", Image),
    put_file("/api/users/me/profile-picture", Person, "Set one's own picture: PNG, JPEG, WebP or GIF of 5 MB and 10 megapixels at most"),
    delete("/api/users/me/profile-picture", Person, "Remove one's own picture"),
    put_file("/api/users/{id}/profile-picture", Admin, "Set a person's picture"),
    delete("/api/users/{id}/profile-picture", Admin, "Remove a person's picture"),
    get("/api/users/{id}/groups", Admin, "The groups of a person", ListOf("Group")),
    put("/api/users/{id}/user-groups", Admin, "Set the groups of a person", "UserGroupIds", One("User")),
    post("/api/users/{id}/one-time-access-token", Admin, "Issue an enrollment link", Some("LinkInput"), 201, One("Link")),
    delete("/api/users/{id}/one-time-access-token", Admin, "Revoke the open enrollment link of a person"),
    post("/api/users/{id}/one-time-access-email", Admin, "Mail an enrollment link to somebody who has no passkey yet", Some("LinkInput"), 204, Nothing),
    get("/api/users/{id}/webauthn-credentials", Admin, "The passkeys of a person", ListOf("Passkey")),
    delete("/api/users/{id}/webauthn-credentials/{credential}", Admin, "Remove a person's passkey"),
    get("/api/users/{id}/sessions", Admin, "The live sessions of a person", ListOf("Session")),
    delete("/api/users/{id}/sessions", Admin, "Sign a person out everywhere"),
    delete("/api/users/{id}/sessions/{session}", Admin, "End one session of a person"),

    list("/api/user-groups", Admin, "List groups", "GroupInList", SEARCHED, &[]),
    post("/api/user-groups", Admin, "Create a group", Some("GroupInput"), 201, One("Group")),
    get("/api/user-groups/{id}", Admin, "A group with its members", One("Group")),
    put("/api/user-groups/{id}", Admin, "Rename a group", "GroupInput", One("Group")),
    delete_whole("/api/user-groups/{id}", Admin, "Delete a group"),
    put("/api/user-groups/{id}/users", Admin, "Set the members of a group", "UserIds", One("Group")),
    put("/api/user-groups/{id}/allowed-oidc-clients", Admin, "Set the apps of a group", "ClientIds", One("Group")),

    list("/api/oidc/clients", Admin, "List apps", "ClientInList", SEARCHED, APPS),
    post("/api/oidc/clients", Admin, "Register an app", Some("ClientInput"), 201, One("Client")),
    get("/api/oidc/clients/{id}", Admin, "An app", One("Client")),
    put("/api/oidc/clients/{id}", Admin, "Change an app", "ClientInput", One("Client")),
    delete_whole("/api/oidc/clients/{id}", Admin, "Delete an app; its id is never given again"),
    get("/api/oidc/clients/{id}/meta", Anybody, "What everybody may know of an app", One("ClientMeta")),
    put("/api/oidc/clients/{id}/allowed-user-groups", Admin, "Restrict an app to groups", "UserGroupIds", One("ClientWithoutGroups")),
    get("/api/oidc/clients/{id}/secrets", Admin, "The secrets of an app, without their values", ListOf("Secret")),
    post("/api/oidc/clients/{id}/secrets", Admin, "Add a secret, shown this once", Some(SECRET), 201, One("NewSecret")),
    delete("/api/oidc/clients/{id}/secrets/{secret}", Admin, "Remove a secret"),
    post("/api/oidc/clients/{id}/secret", Admin, "Replace all secrets by a new one", Some(SECRET), 200, One("SecretValue")),

    list("/api/oidc/users/me/authorized-clients", Person, "What one allowed apps", "AuthorizedClient", UNSEARCHED, LAUNCHABLE),
    delete("/api/oidc/users/me/authorized-clients/{client}", Person, "Withdraw a consent; what the app was given ends"),
    list("/api/oidc/users/me/clients", Person, "The apps that one may use", "UsableClient", UNSEARCHED, LAUNCHABLE),
    list("/api/oidc/users/{id}/authorized-clients", Admin, "What a person allowed apps", "AuthorizedClient", UNSEARCHED, LAUNCHABLE),

    get("/api/custom-claims/suggestions", Admin, "Keys of custom claims in use", ListOf("Text")),
    put("/api/custom-claims/user/{id}", Admin, "Set the custom claims of a person", "CustomClaims", One("CustomClaims")),
    put("/api/custom-claims/user-group/{id}", Admin, "Set the custom claims of a group", "CustomClaims", One("CustomClaims")),

    get("/api/sessions", Person, "One's own live sessions", ListOf("Session")),
    delete("/api/sessions/{id}", Person, "End one of one's own sessions"),
    post("/api/sessions/end-all", Person, "Sign out everywhere, here too", None, 204, Nothing),

    list("/api/audit-logs", Person, "One's own history", "AuditLog", SEARCHED, HISTORY),
    list("/api/audit-logs/all", Admin, "The history; location is internal or external", "AuditLog", SEARCHED, HISTORY),
    get("/api/audit-logs/filters/client-names", Admin, "Apps in the history", ListOf("Text")),
    get("/api/audit-logs/filters/users", Admin, "People in the history, by id", One("Names")),
    get("/api/events", Admin, "The log by position, as it is stored, personal values opened", One("Events")),

    list("/api/api-keys", Person, "One's own API keys", "ApiKey", UNSEARCHED, &[]),
    post("/api/api-keys", Browser, "Create an API key, shown this once", Some("ApiKeyInput"), 201, One("NewApiKey")),
    post("/api/api-keys/{id}/renew", Browser, "A new key for an expired one", Some("ApiKeyRenewal"), 200, One("NewApiKey")),
    delete("/api/api-keys/{id}", Person, "Revoke an API key"),

    get("/api/webauthn/login/start", Anybody, "Options of a sign-in", One("RequestOptions")),
    post("/api/webauthn/login/finish", Anybody, "Sign in", Some("AuthenticationResponse"), 200, One("User")),
    post("/api/webauthn/logout", Browser, "Sign out", None, 204, Nothing),
    get("/api/webauthn/register/start", Browser, "Options of another passkey", One("CreationOptions")),
    post("/api/webauthn/register/finish", Browser, "Enroll another passkey", Some("RegistrationResponse"), 200, One("Passkey")),
    get("/api/webauthn/reauthenticate/start", Browser, "Options of a step-up", One("RequestOptions")),
    post("/api/webauthn/reauthenticate", Browser, "Step up", Some("AuthenticationResponse"), 204, Nothing),
    get("/api/webauthn/credentials", Person, "One's own passkeys", ListOf("Passkey")),
    Operation { method: "patch", body: Some("PasskeyName"), ..get("/api/webauthn/credentials/{id}", Person, "Rename a passkey", One("Passkey")) },
    delete("/api/webauthn/credentials/{id}", Browser, "Remove a passkey, never the last one"),
    get("/api/webauthn/signals", Browser, "What the WebAuthn Signal API tells the authenticator", One("Signals")),
    post("/api/enrollment/start", Anybody, "Options of an enrollment, in a browser that opened a link; `link`, its id, makes sure which", Some("UserInput"), 200, One("CreationOptions")),
    post("/api/enrollment/finish", Anybody, "Redeem the link: the passkey is enrolled and the person signed in", Some("RegistrationResponse"), 204, Nothing),

    get("/api/application-configuration", Anybody, "Settings that everybody may know", ListOf("PublicSetting")),
    get("/api/application-configuration/all", Admin, "Pocket ID's settings that mean something here; secrets are masked", ListOf("Setting")),
    Operation { method: "put", body: Some("Names"), status: 403, ..get("/api/application-configuration", Admin, "Always refused (ui_config_disabled): settings are in the environment of the server", One("Error")) },
    post("/api/application-configuration/test-email", Admin, "Ask for a mail to oneself", None, 204, Nothing),

    get("/api/version/current", Person, "The version, and that of the API it is compatible with", One("Version")),
    get("/api/version/latest", Anybody, "Always empty: nobody is asked for a newer version", One("LatestVersion")),
    Operation { status: 204, ..get("/api/signup/setup", Anybody, "Whether the first administrator is still to come; they come through the set-up link that the server shows when it starts", Nothing) },
    get("/api/openapi.json", Anybody, "This document", One("Document")),
];
