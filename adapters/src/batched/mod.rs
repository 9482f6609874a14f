//! Statements for several at once: what is asked for while one is on its way goes together in the next.
//!
//! A round trip to the database costs far more than the row it is for, on both sides. Nobody waits for company: a
//! question that comes alone is asked alone, at once.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::postgres::is_away;

/// At most so many questions go in one statement.
const BATCH: usize = 128;
/// How long one statement may take, the wait for a connection included: behind it wait all who ask next.
const PATIENCE: Duration = Duration::from_secs(5);

/// A statement that answers any number of questions.
pub trait Statement: Send + Sync + 'static {
    type Question: Send + Sync + 'static;
    type Answer: Send + 'static;

    /// An answer for each question, in their order; or none of them has happened.
    fn run(&self, questions: &[Self::Question]) -> impl Future<Output = Result<Vec<Self::Answer>, sqlx::Error>> + Send;
}

/// A statement, and who waits for it.
pub struct Batched<S: Statement>(Arc<Inner<S>>);

struct Inner<S: Statement> {
    statement: S,
    waiting: Mutex<Waiting<S>>,
}

struct Waiting<S: Statement> {
    asked: Vec<Asked<S>>,
    /// Somebody takes care of all that is asked.
    attended: bool,
}

struct Asked<S: Statement> {
    question: S::Question,
    answer: oneshot::Sender<Result<S::Answer, sqlx::Error>>,
}

impl<S: Statement> Clone for Batched<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Statement> Batched<S> {
    pub fn new(statement: S) -> Self {
        let waiting = Mutex::new(Waiting { asked: Vec::new(), attended: false });
        Self(Arc::new(Inner { statement, waiting }))
    }

    /// Asks for one. It happens even if the caller gives up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ask(&self, question: S::Question) -> Result<S::Answer, sqlx::Error> {
        let (answer, answered) = oneshot::channel();
        let unattended = {
            let mut waiting = self.0.waiting();
            waiting.asked.push(Asked { question, answer });
            !std::mem::replace(&mut waiting.attended, true)
        };
        if unattended {
            tokio::spawn(Attendant { inner: self.0.clone(), at_work: true }.attend());
        }
        answered.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

impl<S: Statement> Inner<S> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<S>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, batch: Vec<Asked<S>>) {
        let (questions, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|asked| (asked.question, asked.answer)).unzip();
        match self.run(&questions).await {
            Ok(found) => answers.into_iter().zip(found).for_each(|(answer, found)| drop(answer.send(Ok(found)))),
            // One question may be what the database refuses: the others must not suffer for it.
            Err(error @ sqlx::Error::Database(_)) if questions.len() > 1 && !is_away(&error) => {
                for (question, answer) in questions.into_iter().zip(answers) {
                    let alone = self.run(&[question]).await;
                    // Should the database go meanwhile, nobody waits for it in turn: they hear of it at once.
                    let is_over = alone.as_ref().is_err_and(is_away);
                    drop(answer.send(alone.and_then(|found| found.into_iter().next().ok_or(sqlx::Error::RowNotFound))));
                    if is_over {
                        return;
                    }
                }
            }
            Err(error) => {
                let text = error.to_string();
                answers.into_iter().for_each(|answer| drop(answer.send(Err(failed(&text)))));
            }
        }
    }

    async fn run(&self, questions: &[S::Question]) -> Result<Vec<S::Answer>, sqlx::Error> {
        timeout(PATIENCE, self.statement.run(questions)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}

fn failed(text: &str) -> sqlx::Error {
    sqlx::Error::Io(io::Error::other(text))
}

/// Runs the statement until nobody waits.
struct Attendant<S: Statement> {
    inner: Arc<Inner<S>>,
    at_work: bool,
}

impl<S: Statement> Attendant<S> {
    async fn attend(mut self) {
        while let Some(batch) = self.next().await {
            self.inner.answer(batch).await;
        }
    }

    /// Lets those come along who are about to ask. Where nobody is, this takes no time.
    async fn next(&mut self) -> Option<Vec<Asked<S>>> {
        let mut company = 0;
        loop {
            let come = self.inner.waiting().asked.len();
            if come <= company || come >= BATCH {
                break;
            }
            company = come;
            yield_now().await;
        }
        let mut waiting = self.inner.waiting();
        let some = waiting.asked.len().min(BATCH);
        self.at_work = some > 0;
        waiting.attended = self.at_work;
        self.at_work.then(|| waiting.asked.drain(..some).collect())
    }
}

impl<S: Statement> Drop for Attendant<S> {
    /// After a panic, and when the runtime shuts down: those who wait hear of it, and whoever asks next is attended to.
    fn drop(&mut self) {
        if self.at_work {
            *self.inner.waiting() = Waiting { asked: Vec::new(), attended: false };
        }
    }
}
