//! Statements of several views in one: each round trip of the writer is one that everybody waits for (decision 21).

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Encode, PgConnection, Postgres, Type};

/// What views have yet to write and nothing in the batch rests on, sent as one statement.
///
/// The statements see nothing of each other, so that each table is written by one of them at most.
#[derive(Default)]
pub struct Together {
    statements: Vec<String>,
    arguments: PgArguments,
    unfit: Option<BoxDynError>,
}

impl Together {
    /// Adds an `INSERT`, `UPDATE` or `DELETE` with its own `$1`, `$2` and so on, whose values are then bound in this order.
    pub fn write(&mut self, sql: &str) -> Binding<'_> {
        let statement = renumbered(sql, self.arguments.len());
        self.statements.push(statement);
        Binding(self)
    }

    /// # Errors
    /// Those of the database, and of a value that cannot be encoded.
    pub async fn send(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let Self { statements, arguments, unfit } = std::mem::take(self);
        if let Some(unfit) = unfit {
            return Err(sqlx::Error::Encode(unfit));
        }
        if !statements.is_empty() {
            sqlx::query_with(&joined(&statements), arguments).execute(connection).await?;
        }
        Ok(())
    }
}

/// The statement that was added last.
pub struct Binding<'a>(&'a mut Together);

impl Binding<'_> {
    pub fn bind<'q>(self, value: impl Encode<'q, Postgres> + Type<Postgres> + 'q) -> Self {
        if let Err(unfit) = self.0.arguments.add(value) {
            self.0.unfit = Some(unfit);
        }
        self
    }
}

/// `$1` as `$8`, where seven others come before. No `$` of these statements, which are code, is anything else.
fn renumbered(sql: &str, before: usize) -> String {
    let mut parts = sql.split('$');
    let mut renumbered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
        let number = part[..digits].parse().unwrap_or(0) + before;
        renumbered.push('$');
        renumbered.push_str(&number.to_string());
        renumbered.push_str(&part[digits..]);
    }
    renumbered
}

/// All but the last as common table expressions, which run to their end although nobody reads them.
fn joined(statements: &[String]) -> String {
    match statements {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => {
            let others: Vec<_> = others.iter().enumerate().map(|(nth, sql)| format!("s{nth} AS ({sql})")).collect();
            format!("WITH {} {last}", others.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_statements_become_one_whose_parameters_follow_each_other() {
        let mut together = Together::default();
        together.write("UPDATE a SET b = $2 WHERE c = $1").bind(1).bind("two");
        together.write("DELETE FROM d WHERE e = $1").bind(3);
        together.write("INSERT INTO f VALUES ($1, $2, $1)").bind(4).bind(5);
        assert_eq!(
            joined(&together.statements),
            "WITH s0 AS (UPDATE a SET b = $2 WHERE c = $1), s1 AS (DELETE FROM d WHERE e = $3) \
             INSERT INTO f VALUES ($4, $5, $4)"
        );
        assert_eq!(together.arguments.len(), 5);
    }

    #[test]
    fn one_statement_stays_as_it_is() {
        let mut together = Together::default();
        together.write("DELETE FROM a WHERE b = $1").bind(1);
        assert_eq!(joined(&together.statements), "DELETE FROM a WHERE b = $1");
    }
}
