//! The form of an app's settings: what was entered, and what is wrong with it.

use chancery_domain::client::ClientSettings;
use chancery_domain::ids::GroupId;
use chancery_domain::oauth::params::Params;
use chancery_domain::signing_algorithm::SigningAlgorithm;

use super::people::group_choices;
use crate::accounts;
use crate::admin::client_input::ClientInput;
use crate::app::App;
use crate::http::error::ApiError;
use crate::pages::house::{Choice, ClientForm, Field};

/// What a form holds, and beside it what is wrong with it.
pub struct Entered {
    pub input: ClientInput,
    pub groups: Vec<GroupId>,
    pub errors: Vec<(String, String)>,
}

/// A form as it was sent.
pub fn entered(params: &Params) -> ClientInput {
    let text = |name| params.value(name).unwrap_or_default().trim().to_owned();
    let lines = |name| text(name).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let number = |name| params.value(name).and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let ticked = |name| params.value(name).is_some();
    ClientInput {
        id: params.value("id").map(str::to_owned),
        name: text("name"),
        description: text("description"),
        callback_urls: lines("callback_urls"),
        logout_callback_urls: lines("logout_callback_urls"),
        is_public: ticked("is_public"),
        pkce_enabled: Some(ticked("pkce_enabled")),
        requires_reauthentication: ticked("requires_reauthentication"),
        skip_consent: ticked("skip_consent"),
        launch_url: params.value("launch_url").map(str::to_owned),
        is_group_restricted: params.value("audience") == Some("groups"),
        access_token_duration_minutes: number("access_token_minutes"),
        refresh_token_duration_minutes: number("refresh_token_minutes"),
        id_token_signing_alg: params.value("id_token_algorithm").map(|text| Some(text.to_owned())),
        ..ClientInput::default()
    }
}

/// What an app's form starts with.
pub fn input_of(settings: &ClientSettings) -> ClientInput {
    let texts = |uris: &[chancery_domain::oauth::redirect_uri::RedirectUri]| {
        uris.iter().map(|uri| uri.as_str().to_owned()).collect()
    };
    ClientInput {
        name: settings.name.clone(),
        description: settings.description.clone(),
        callback_urls: texts(&settings.redirect_uris),
        logout_callback_urls: texts(&settings.post_logout_redirect_uris),
        is_public: settings.is_public,
        pkce_enabled: Some(settings.pkce_required),
        requires_reauthentication: settings.requires_reauthentication,
        skip_consent: settings.skip_consent,
        launch_url: settings.launch_url.clone(),
        is_group_restricted: settings.is_group_restricted,
        access_token_duration_minutes: settings.access_token_seconds / 60,
        refresh_token_duration_minutes: settings.refresh_token_seconds / 60,
        id_token_signing_alg: Some(Some(settings.id_token_algorithm.to_string())),
        minimal_id_token: Some(Some(settings.minimal_id_token)),
        ..ClientInput::default()
    }
}

/// `seen`: what it was filled in from; empty for a new app.
pub async fn client_form(
    app: &App,
    action: String,
    seen: String,
    entered: &Entered,
    is_new: bool,
) -> Result<ClientForm, ApiError> {
    let Entered { input, groups, errors } = entered;
    // Errors of a list are named by its elements, `callbackURLs[0]`.
    let wrong = |name: &str| errors.iter().find(|(field, _)| field.split('[').next() == Some(name));
    let field = |name: &str, value: String| Field {
        value,
        wrong: wrong(name).map(|(_, wrong)| format!("{}.", accounts::sentence(wrong).trim_end_matches('.'))),
    };
    let minutes = |value: i64, default: i64| if value == 0 { default } else { value }.to_string();
    let chosen = input.id_token_signing_alg.as_ref().and_then(Option::as_deref).unwrap_or("RS256");
    let algorithm = |algorithm: SigningAlgorithm| {
        let label = match algorithm {
            SigningAlgorithm::RS256 => "RS256 (every app knows it)",
            SigningAlgorithm::ES256 => "ES256",
            SigningAlgorithm::EdDSA => "EdDSA",
        };
        Choice::new(algorithm.as_str(), label, algorithm.as_str() == chosen)
    };
    Ok(ClientForm {
        action,
        seen,
        id: is_new.then(|| field("id", input.id.clone().unwrap_or_default())),
        name: field("name", input.name.clone()),
        description: field("description", input.description.clone()),
        launch_url: field("launchURL", input.launch_url.clone().unwrap_or_default()),
        callback_urls: field("callbackURLs", input.callback_urls.join("\n")),
        logout_callback_urls: field("logoutCallbackURLs", input.logout_callback_urls.join("\n")),
        is_public: input.is_public,
        pkce_enabled: input.pkce_enabled.unwrap_or(true),
        skip_consent: input.skip_consent,
        requires_reauthentication: input.requires_reauthentication,
        is_group_restricted: input.is_group_restricted,
        groups: group_choices(app, groups).await?,
        access_token_minutes: field("accessTokenDurationMinutes", minutes(input.access_token_duration_minutes, 60)),
        refresh_token_minutes: field(
            "refreshTokenDurationMinutes",
            minutes(input.refresh_token_duration_minutes, 43_200),
        ),
        id_token_algorithms: SigningAlgorithm::ALL.map(algorithm).to_vec(),
    })
}
