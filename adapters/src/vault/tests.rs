use chancery_domain::Subject;
use chancery_domain::secret::Secret;
use sqlx::PgPool;

use super::{DataKey, Vault, cipher};

#[tokio::test]
async fn a_key_that_was_read_before_its_destruction_is_not_kept_after_it() {
    let pool = PgPool::connect_lazy("postgres://nowhere/").unwrap();
    let vault = Vault::new(pool, &Secret::new(vec![1; 32])).unwrap();
    let key = DataKey { version: 1, cipher: cipher(&Secret::new([2; 32])).into() };
    let (ada, bob) = (Subject::from("user:ada".to_owned()), Subject::from("user:bob".to_owned()));

    for destroyed in [Vault::evict_all, (|vault: &Vault| vault.evict(&Subject::from("user:ada".to_owned())))] {
        let read = vault.evictions();
        destroyed(&vault);
        vault.remember(ada.clone(), key.clone(), read);
        assert!(vault.cached(&ada).is_none());
    }

    vault.remember(bob.clone(), key, vault.evictions());
    vault.evict(&ada);
    assert!(vault.cached(&bob).is_some(), "another one stays");
}
