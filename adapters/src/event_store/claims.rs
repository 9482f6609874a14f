//! The uniqueness claims, the one view that the append itself reads.

use chancery_domain::Recorded;
use chancery_domain::claim::ClaimChange;
use sqlx::PgConnection;

use super::projection::{Projection, ProjectionError, ProjectionFuture, Tables};
use crate::vault::Vault;

/// Keeps the table of claims that `append_events` checks.
pub struct Claims {
    vault: Vault,
}

impl Claims {
    pub fn new(vault: Vault) -> Self {
        Self { vault }
    }

    async fn write(&self, connection: &mut PgConnection, events: &[Recorded]) -> Result<(), ProjectionError> {
        for recorded in events {
            for change in recorded.event.claims() {
                self.change(connection, recorded, change).await?;
            }
        }
        Ok(())
    }

    async fn change(
        &self,
        connection: &mut PgConnection,
        recorded: &Recorded,
        change: ClaimChange,
    ) -> Result<(), ProjectionError> {
        let query = match change {
            ClaimChange::Take(claim) => sqlx::query(
                "INSERT INTO claims (kind, digest, aggregate_type, aggregate_id) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (kind, digest) DO NOTHING",
            )
            .bind(claim.kind.as_str())
            .bind(self.vault.claim_digest(&claim).to_vec()),
            ClaimChange::Release(kind) => sqlx::query(
                "DELETE FROM claims WHERE kind = $1 AND $2::bytea IS NULL AND aggregate_type = $3 AND aggregate_id = $4",
            )
            .bind(kind.as_str())
            .bind(None::<Vec<u8>>),
        };
        query.bind(recorded.event.aggregate_type()).bind(&recorded.aggregate_id).execute(connection).await?;
        Ok(())
    }
}

impl Projection for Claims {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(self.write(tables.connection, events))
    }
}
