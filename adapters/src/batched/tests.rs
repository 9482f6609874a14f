use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use tokio::task::yield_now;

use super::{Batched, Statement};

/// Doubles numbers once it may; 13 is refused by the database, at 57 that is shutting down, and 666 is a defect.
struct Double {
    may: Arc<Semaphore>,
    asked: Arc<Mutex<Vec<Vec<u32>>>>,
    down: Arc<AtomicBool>,
}

impl Statement for Double {
    type Question = u32;
    type Answer = u32;

    async fn run(&self, questions: &[u32]) -> Result<Vec<u32>, sqlx::Error> {
        self.asked.lock().unwrap().push(questions.to_vec());
        self.may.acquire().await.unwrap().forget();
        assert!(!questions.contains(&666));
        if self.down.load(Ordering::Relaxed) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        if questions.contains(&13) {
            return Err(sqlx::Error::Database(Box::new(Refused("22P05"))));
        }
        if questions.contains(&57) {
            return Err(sqlx::Error::Database(Box::new(Refused("57P01"))));
        }
        Ok(questions.iter().map(|question| question * 2).collect())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused(&'static str);

impl sqlx::error::DatabaseError for Refused {
    fn message(&self) -> &str {
        "refused"
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.0.into())
    }

    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

/// One who asks, and what came of it.
type Asker = tokio::task::JoinHandle<Result<u32, sqlx::Error>>;

struct Scene {
    batched: Batched<Double>,
    may: Arc<Semaphore>,
    asked: Arc<Mutex<Vec<Vec<u32>>>>,
    down: Arc<AtomicBool>,
}

impl Scene {
    fn new() -> Self {
        let (may, asked, down) = (Arc::new(Semaphore::new(0)), Arc::default(), Arc::default());
        let double = Double { may: Arc::clone(&may), asked: Arc::clone(&asked), down: Arc::clone(&down) };
        Self { batched: Batched::new(double), may, asked, down }
    }

    /// Asks, and waits until that is either on its way or waits for what is.
    async fn ask(&self, question: u32) -> Asker {
        let batched = self.batched.clone();
        let asker = tokio::spawn(async move { batched.ask(question).await });
        for _ in 0..10 {
            yield_now().await;
        }
        asker
    }

    fn let_go(&self, statements: usize) {
        self.may.add_permits(statements);
    }

    fn asked(&self) -> Vec<Vec<u32>> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn what_is_asked_while_a_statement_is_on_its_way_goes_together_in_the_next() {
    let scene = Scene::new();
    let askers = [scene.ask(1).await, scene.ask(2).await, scene.ask(3).await];

    scene.let_go(2);

    for (asker, answer) in askers.into_iter().zip([2, 4, 6]) {
        assert_eq!(asker.await.unwrap().unwrap(), answer);
    }
    assert_eq!(scene.asked(), [vec![1], vec![2, 3]]);
}

#[tokio::test]
async fn a_question_that_the_database_refuses_is_refused_alone() {
    let scene = Scene::new();
    let askers = [scene.ask(1).await, scene.ask(2).await, scene.ask(13).await, scene.ask(3).await];

    scene.let_go(5);

    let mut answers = Vec::new();
    for asker in askers {
        answers.push(asker.await.unwrap().ok());
    }
    assert_eq!(answers, [Some(2), Some(4), None, Some(6)]);
    assert_eq!(scene.asked(), [vec![1], vec![2, 13, 3], vec![2], vec![13], vec![3]]);
}

#[tokio::test]
async fn while_the_database_shuts_down_nobody_is_asked_about_in_turn() {
    let scene = Scene::new();
    let askers = [scene.ask(1).await, scene.ask(2).await, scene.ask(57).await, scene.ask(3).await];

    scene.let_go(2);

    let mut answers = Vec::new();
    for asker in askers {
        answers.push(asker.await.unwrap().ok());
    }
    assert_eq!(answers, [Some(2), None, None, None]);
    assert_eq!(scene.asked(), [vec![1], vec![2, 57, 3]]);
}

#[tokio::test]
async fn where_the_database_goes_while_questions_are_asked_alone_the_rest_hear_it_at_once() {
    let scene = Scene::new();
    let askers = [scene.ask(1).await, scene.ask(13).await, scene.ask(57).await, scene.ask(3).await];

    scene.let_go(4);

    let mut answers = Vec::new();
    for asker in askers {
        answers.push(asker.await.unwrap().ok());
    }
    assert_eq!(answers, [Some(2), None, None, None]);
    assert_eq!(scene.asked(), [vec![1], vec![13, 57, 3], vec![13], vec![57]]);
}

#[tokio::test]
async fn where_the_database_is_down_everybody_hears_it_at_once() {
    let scene = Scene::new();
    scene.down.store(true, Ordering::Relaxed);
    let askers = [scene.ask(1).await, scene.ask(2).await, scene.ask(3).await];

    scene.let_go(2);

    for asker in askers {
        assert!(asker.await.unwrap().is_err());
    }
    assert_eq!(scene.asked(), [vec![1], vec![2, 3]]);
}

#[tokio::test]
async fn who_gives_up_leaves_the_others_their_answer() {
    let scene = Scene::new();
    let (gone, asker) = (scene.ask(1).await, scene.ask(2).await);
    gone.abort();

    scene.let_go(2);

    assert_eq!(asker.await.unwrap().unwrap(), 4);
    assert_eq!(scene.asked(), [[1], [2]]);
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_does_not_end_is_given_up() {
    let scene = Scene::new();
    let asker = scene.ask(1).await;

    assert!(asker.await.unwrap().is_err());

    scene.let_go(1);
    assert_eq!(scene.ask(2).await.await.unwrap().unwrap(), 4);
}

#[tokio::test]
async fn after_a_panic_the_next_is_attended_to() {
    let scene = Scene::new();
    let askers = [scene.ask(666).await, scene.ask(2).await];

    scene.let_go(1);

    for asker in askers {
        assert!(matches!(asker.await.unwrap(), Err(sqlx::Error::WorkerCrashed)));
    }
    scene.let_go(1);
    assert_eq!(scene.ask(3).await.await.unwrap().unwrap(), 6);
}
