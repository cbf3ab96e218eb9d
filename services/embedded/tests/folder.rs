//! One folder, as people and processes treat it: shared, moved, damaged, taken away.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod stage;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outpost_core::id::{JobId, TenantId};
use outpost_core::moment::Moment;
use outpost_core::ports::{Secret, Ticket};
use outpost_core::record::Counter;
use outpost_core::spec::Offer;
use outpost_core::store::{Address, Problem, Write};
use outpost_core::tenant::Tier;
use outpost_core::web::Repositories;
use outpost_embedded::{Embedded, installation};

use stage::{claim, open, refused, run, sql, tenant};

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("made/on/the/way");
    run(async {
        let first = open(&data).await;
        let ticket = Ticket { tenant: tenant(), job: JobId::new(Moment::from_millis(1), &[1; 10]), traceparent: None };
        let until = first.ports.clock.now().plus(Duration::from_secs(60));
        first.ports.store.commit(&tenant(), vec![Write::Create(claim("a@b.c"))]).await.expect("commit");
        first.ports.queue.send(Tier::Free, &ticket).await.expect("send");
        first.ports.blobs.put(&tenant(), "a/b", b"bytes".to_vec()).await.expect("put");
        first.ports.vault.put(&tenant(), "xai", &Secret::new("a secret".into()), until).await.expect("put");
        let link = first.ports.blobs.link(&tenant(), "a/b", until).await.expect("a link");
        drop(first);
        let again = open(&data).await;
        assert_eq!(again.ports.store.get(&tenant(), &Address::email("a@b.c")).await, Ok(Some(claim("a@b.c"))));
        let delivery = again.ports.queue.receive(Tier::Free, Duration::ZERO, Duration::ZERO).await.expect("an answer");
        assert_eq!(delivery.map(|delivery| delivery.ticket), Some(ticket));
        assert_eq!(again.ports.blobs.get(&tenant(), "a/b", 9).await, Ok(Some(b"bytes".to_vec())));
        assert_eq!(again.ports.vault.get(&tenant(), "xai").await, Ok(Some(Secret::new("a secret".into()))));
        let (path, query) =
            link.strip_prefix("https://example.com").expect("the base").split_once('?').expect("a link");
        assert_eq!(again.links().check(path, query), Some((tenant(), "a/b".into())));
        assert_eq!(again.ports.house.ready().await, Ok(()));
    });
}

#[test]
fn nobody_else_may_look_into_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("rights");
    run(async {
        let embedded = open(&data).await;
        embedded.ports.store.commit(&tenant(), vec![Write::Create(claim("a@b.c"))]).await.expect("commit");
        embedded.ports.blobs.put(&tenant(), "a/b", Vec::new()).await.expect("put");
        let mut seen = 0;
        let mut folders = vec![data.clone()];
        while let Some(folder) = folders.pop() {
            let mode = |path: &Path| fs::symlink_metadata(path).expect("a file").mode() & 0o777;
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen >= 5, "{seen} files");
    });
}

#[test]
fn two_processes_share_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    run(async {
        // Two that open it for the first time at the same time, each with connections of its own.
        let (api, worker) = tokio::join!(open(&data), open(&data));
        let counter = Counter::Active;
        let raise = |embedded: &Embedded| {
            let store = Arc::clone(&embedded.ports.store);
            tokio::spawn(async move {
                store.commit(&tenant(), vec![Write::Count { counter, add: 1, most: Some(100) }]).await
            })
        };
        let tries: Vec<_> = (0..150).map(|at| raise(if at % 2 == 0 { &api } else { &worker })).collect();
        let mut fine = 0;
        for one in tries {
            match one.await.expect("a task") {
                Ok(()) => fine += 1,
                Err(problem) => assert_eq!(problem, Problem::Refused(0)),
            }
        }
        assert_eq!(fine, 100);
        assert_eq!(
            (api.ports.store.count(&tenant(), counter).await, worker.ports.store.count(&tenant(), counter).await),
            (Ok(100), Ok(100))
        );
        let secret = Secret::new("one key for both".into());
        api.ports.vault.put(&tenant(), "xai", &secret, api.ports.clock.now()).await.expect("put");
        assert_eq!(worker.ports.vault.get(&tenant(), "xai").await, Ok(Some(secret)));
        // What one sends, the other one waits for.
        let ticket = Ticket { tenant: tenant(), job: JobId::new(Moment::from_millis(1), &[1; 10]), traceparent: None };
        let (received, sent) = tokio::join!(
            worker.ports.queue.receive(Tier::Pro, Duration::from_secs(20), Duration::from_secs(20)),
            api.ports.queue.send(Tier::Pro, &ticket),
        );
        assert_eq!(sent, Ok(()));
        assert_eq!(received.expect("an answer").map(|delivery| delivery.ticket), Some(ticket));
    });
}

#[test]
fn a_folder_that_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let file = folder.path().join("file");
        fs::write(&file, "").expect("a file");
        for wrong in [file.clone(), file.join("below"), "/proc/no-such-folder".into()] {
            let why = refused(&wrong).await;
            assert!(why.contains(&wrong.display().to_string()) && why.contains("data folder"), "{why}");
        }
        let junk = folder.path().join("junk");
        fs::create_dir(&junk).expect("a folder");
        fs::write(junk.join("outpost.db"), "no database, but a text that is long enough".repeat(100)).expect("a file");
        let why = refused(&junk).await;
        assert!(why.contains("`outpost.db` is damaged"), "{why}");
    });
}

#[test]
fn a_key_file_that_others_read_or_that_is_another_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let key = data.join("vault.key");
    run(async {
        drop(open(data).await);
        let whole = fs::read(&key).expect("a key");
        for mode in [0o640, 0o604, 0o620, 0o677] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("rights");
            let why = refused(data).await;
            assert!(why.contains("vault.key") && why.contains("chmod 600"), "{mode:o}: {why}");
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("rights");
        fs::write(&key, &whole[1..]).expect("a key");
        assert!(refused(data).await.contains("32 bytes"));
        fs::write(&key, [9; 32]).expect("a key");
        assert!(refused(data).await.contains("not the key"));
        // A lost one is not made up for by a new one.
        fs::remove_file(&key).expect("a key");
        assert!(refused(data).await.contains("not the key"));
        fs::remove_file(&key).expect("a key");
        fs::write(folder.path().join("elsewhere"), &whole).expect("a key");
        symlink("elsewhere", &key).expect("a link");
        assert!(refused(data).await.contains("no plain file"));
        fs::remove_file(&key).expect("a link");
        fs::rename(folder.path().join("elsewhere"), &key).expect("a key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("rights");
        drop(open(data).await);
    });
}

#[test]
fn a_secret_that_was_moved_or_changed_does_not_open() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let embedded = open(folder.path()).await;
        let now = embedded.ports.clock.now();
        let put = async |name: &str, text: &str| {
            embedded.ports.vault.put(&tenant(), name, &Secret::new(text.into()), now).await.expect("put");
        };
        put("openai", "first").await;
        put("xai", "second").await;
        let other = TenantId::new(now, &[9; 10]);
        for change in [
            "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'openai') WHERE name = 'xai'"
                .to_owned(),
            "UPDATE secrets SET version = version + 1 WHERE name = 'xai'".into(),
            format!("UPDATE secrets SET tenant = '{other}' WHERE name = 'xai'"),
            "UPDATE secrets SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE name = 'xai'".into(),
            "UPDATE secrets SET sealed = x'' WHERE name = 'xai'".into(),
            "UPDATE secrets SET sealed = zeroblob(length(sealed)) WHERE name = 'xai'".into(),
        ] {
            assert_eq!(embedded.ports.vault.get(&tenant(), "xai").await, Ok(Some(Secret::new("second".into()))));
            sql(folder.path(), &change);
            let whose = if change.contains("tenant =") { &other } else { &tenant() };
            let answer = embedded.ports.vault.get(whose, "xai").await;
            assert!(matches!(answer, Err(Problem::Broken(_))), "{change}");
            sql(folder.path(), "DELETE FROM secrets WHERE name = 'xai'");
            put("xai", "second").await;
        }
        // The same text twice is not the same twice.
        put("google", "first").await;
        let connection = rusqlite::Connection::open(folder.path().join("outpost.db")).expect("a database");
        let different: i64 = connection
            .query_row("SELECT count(DISTINCT sealed) FROM secrets WHERE name IN ('google', 'openai')", (), |row| {
                row.get(0)
            })
            .expect("a count");
        assert_eq!(different, 2);
    });
}

#[test]
fn no_symbolic_link_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    run(async {
        let embedded = open(&data).await;
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).expect("a folder");
        fs::write(outside.join("file"), "outside").expect("a file");
        embedded.ports.blobs.put(&tenant(), "a/b", b"inside".to_vec()).await.expect("put");
        let root = data.join("artifacts").join(tenant().as_str());
        symlink(&outside, root.join("folder")).expect("a link");
        symlink(outside.join("file"), root.join("a/link")).expect("a link");
        let blobs = &embedded.ports.blobs;
        assert_eq!(blobs.get(&tenant(), "folder/file", 99).await, Ok(None));
        assert_eq!(blobs.get(&tenant(), "a/link", 99).await, Ok(None));
        assert!(blobs.put(&tenant(), "folder/new", b"x".to_vec()).await.is_err());
        assert_eq!(blobs.list(&tenant(), "", None, 99).await, Ok(vec!["a/b".into()]));
        // Written to, a link is replaced and what it led to stays.
        assert_eq!(blobs.put(&tenant(), "a/link", b"new".to_vec()).await, Ok(()));
        assert_eq!(blobs.get(&tenant(), "a/link", 99).await, Ok(Some(b"new".to_vec())));
        assert_eq!(blobs.remove(&tenant(), "").await, Ok(()));
        assert_eq!(fs::read(outside.join("file")).expect("a file"), b"outside");
        assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 1);
        // Nor one that a job left where its output is looked for, nor what would keep the reader waiting.
        symlink(outside.join("file"), folder.path().join("output")).expect("a link");
        assert!(blobs.put_file(&tenant(), "output", &folder.path().join("output")).await.is_err());
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .expect("a pipe");
        assert!(blobs.put_file(&tenant(), "output", &pipe).await.is_err());
        assert_eq!(blobs.list(&tenant(), "", None, 99).await, Ok(Vec::new()));
    });
}

#[test]
fn files_and_folders_do_not_take_each_others_place() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let embedded = open(folder.path()).await;
        embedded.ports.blobs.put(&tenant(), "a/b", b"x".to_vec()).await.expect("put");
        for wrong in ["a", "a/b/c"] {
            let answer = embedded.ports.blobs.put(&tenant(), wrong, b"y".to_vec()).await;
            assert!(matches!(&answer, Err(Problem::Broken(why)) if why.contains("cannot lie where")), "{answer:?}");
        }
        assert_eq!(embedded.ports.blobs.list(&tenant(), "", None, 9).await, Ok(vec!["a/b".into()]));
        // Nothing of what failed is left over.
        assert_eq!(fs::read_dir(folder.path().join("artifacts.part")).expect("a folder").count(), 0);
    });
}

#[test]
fn what_cursors_are_signed_with_is_one_key_whoever_makes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    // What a first start left that was killed on its way, and had the number that this process has.
    fs::create_dir(folder.path().join("data")).expect("a folder");
    let data = folder.path().join("data");
    fs::write(data.join(format!("cursor.key.{}", std::process::id())), "half").expect("a file");
    let repositories = Repositories { hosts: Vec::new(), folders: false };
    let offer = Offer { agents: Vec::new(), commands: true, repositories, callbacks_anywhere: false };
    let key = async || {
        let open = installation::open(&data, "", offer.clone(), |_| {}).await.expect("an installation");
        open.desk.settings().cursor_key.clone()
    };
    run(async {
        let (one, other) = tokio::join!(key(), key());
        assert_eq!(one, other);
        assert_eq!(one, key().await, "and stays it");
        assert_ne!(*one, [0; 32]);
    });
    assert_eq!(fs::metadata(data.join("cursor.key")).expect("a file").mode() & 0o777, 0o600);
}
