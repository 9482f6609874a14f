//! `/admin`: how things are.

use axum::extract::State;
use axum::response::Response;
use chancery_domain::oauth::params::Params;
use chancery_projections::audit::{AuditFilter, query};
use chancery_projections::mails::queue;

use super::frame::{Steward, count, frame, shown};
use super::places;
use super::roll::{newest, roll};
use crate::app::App;
use crate::http::error::ApiError;
use crate::pages::house::{Figure, Health, Overview, Pages, Roll, Room, Tone};
use crate::pages::render::page;

/// `/admin`.
pub async fn overview(State(app): State<App>, Steward(signed_in): Steward) -> Response {
    let shown_page = async {
        let in_time = app.history_reached(app.store.head()).await;
        let filter = AuditFilter::default();
        let roll =
            Roll { pages: Pages::default(), ..roll(&app, &filter, &Params::default(), "/admin/history", true).await? };
        let people: i64 =
            sqlx::query_scalar("SELECT count(*) FROM users WHERE NOT is_static").fetch_one(&app.pool).await?;
        let apps: i64 = sqlx::query_scalar("SELECT count(*) FROM clients").fetch_one(&app.pool).await?;
        let counted = query::figures(&app.pool, app.now()).await?;
        let figure = |label: &str, value: i64, href: &str| Figure {
            label: label.to_owned(),
            value: value.to_string(),
            href: Some(href.to_owned()),
        };
        let figures = vec![
            figure("People", people, "/admin/people"),
            figure("Apps", apps, "/admin/apps"),
            figure("Sign-ins, 30 days", counted.sign_ins, "/admin/history?kind=sign_ins"),
            figure("Refused", counted.refused, "/admin/history?kind=refusals"),
            figure("Changes by admins", counted.admin_changes, "/admin/history?kind=admin_changes"),
        ];
        let mut next_steps = Vec::new();
        if people < 2 {
            next_steps.push(("Invite somebody".to_owned(), "/admin/people/new".to_owned()));
        }
        if apps == 0 {
            next_steps.push(("Connect your first app".to_owned(), "/admin/apps/new".to_owned()));
        }
        let health = health(&app, in_time).await?;
        Ok(page(&Overview {
            frame: frame(&app, &signed_in, Room::Overview),
            figures,
            health,
            next_steps,
            latest: Roll { days: newest(roll.days, 10), ..Roll::default() },
        }))
    };
    shown(&app, shown_page.await)
}

async fn health(app: &App, in_time: bool) -> Result<Vec<Health>, ApiError> {
    let failures: Vec<(String, String)> =
        sqlx::query_as("SELECT projection, failure FROM checkpoints WHERE failure IS NOT NULL ORDER BY projection")
            .fetch_all(&app.pool)
            .await?;
    let mut health: Vec<Health> = failures
        .into_iter()
        .map(|(part, says)| Health { tone: Tone::Stop, part: format!("The view “{part}” stopped"), says })
        .collect();
    if !in_time {
        let says = "The newest entries may be missing below for a moment.".to_owned();
        health.push(Health { tone: Tone::Mind, part: "The history is behind".to_owned(), says });
    }
    health.extend(places::health(app));
    let given_up = queue::given_up_since(&app.pool, app.now() - time::Duration::DAY).await?;
    if given_up > 0 {
        let says = "They were not taken by the mail server; the page Mail says why.".to_owned();
        health.push(Health {
            tone: Tone::Stop,
            part: count(given_up, "mail was given up", "mails were given up"),
            says,
        });
    }
    if app.config.smtp.is_none() {
        let says = "Set SMTP_HOST to invite people by mail, and to tell them what happens to their account.".to_owned();
        health.push(Health { tone: Tone::Mind, part: "Mail is off".to_owned(), says });
    }
    Ok(health)
}
