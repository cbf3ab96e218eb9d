//! Files: whole, in their order, and nobody else's.

use std::fs;
use std::time::Duration;

use super::{Subject, made};
use crate::id::TenantId;
use crate::store::Problem;

const ALL: usize = 1000;
const MOST: u64 = 1 << 30;

async fn put(subject: &dyn Subject, tenant: &TenantId, path: &str, text: &str) {
    assert_eq!(subject.blobs().put(tenant, path, text.as_bytes().to_vec()).await, Ok(()), "{path}");
}

async fn get(subject: &dyn Subject, tenant: &TenantId, path: &str) -> Option<String> {
    let bytes = subject.blobs().get(tenant, path, MOST).await.expect("an answer")?;
    Some(String::from_utf8(bytes).expect("text"))
}

async fn list(subject: &dyn Subject, tenant: &TenantId, prefix: &str) -> Vec<String> {
    subject.blobs().list(tenant, prefix, None, ALL).await.expect("an answer")
}

fn broken<T>(answer: &Result<T, Problem>) -> bool {
    matches!(answer, Err(Problem::Broken(_)))
}

pub async fn bad_paths_are_refused(subject: &dyn Subject) {
    let (mine, other) = (made::tenant_id(subject.now()), made::tenant_id(subject.now()));
    put(subject, &other, "a", "theirs").await;
    let file = subject.folder().join("bad");
    fs::write(&file, "x").expect("a file");
    let absolute = format!("{}/escaped", subject.folder().display());
    let neighbour = format!("../{other}/a");
    let deep = format!("x/../../{other}/a");
    let long = "a".repeat(crate::ports::PATH_BYTES + 1);
    let until = subject.now().plus(Duration::from_secs(60));
    for bad in [
        "", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "../a", "a/../b", "a b", "a\\b", "a\0b", "a\nb", "ä",
        "a:b", "a%2fb", "~", "*", &absolute, &neighbour, &deep, &long,
    ] {
        let blobs = subject.blobs();
        assert!(broken(&blobs.put(&mine, bad, b"x".to_vec()).await), "{bad:?}");
        assert!(broken(&blobs.put_file(&mine, bad, &file).await), "{bad:?}");
        assert!(broken(&blobs.get(&mine, bad, MOST).await), "{bad:?}");
        assert!(broken(&blobs.link(&mine, bad, until).await), "{bad:?}");
    }
    for bad in ["/", "/a", "../", "a/../", "a/../b", "a//", "./a", "a\\", "a\0", "ä", "*", &neighbour, &deep] {
        assert!(broken(&subject.blobs().list(&mine, bad, None, ALL).await), "{bad:?}");
        assert!(broken(&subject.blobs().remove(&mine, bad).await), "{bad:?}");
    }
    assert_eq!(list(subject, &mine, "").await, [""; 0]);
    assert_eq!(get(subject, &other, "a").await.as_deref(), Some("theirs"));
    assert!(!subject.folder().join("escaped").exists());
}

pub async fn paths_are_listed_in_order(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    assert_eq!(list(subject, &tenant, "").await, [""; 0]);
    // `/` sorts behind `-` and `.`, and before digits and letters.
    let sorted = ["B", "a-b/x", "a.b", "a/b/c/d", "a/b0", "a/b_", "a0", "a_/1", "a_/10", "a_/2", "b/...", "b/.c"];
    for path in sorted.iter().rev() {
        put(subject, &tenant, path, path).await;
    }
    assert_eq!(list(subject, &tenant, "").await, sorted);
    for prefix in ["", "a", "a/", "a/b", "a/b/", "a_/1", "b/.", "b/..", "c", "a/b/c/d", "a/b/c/d/", "B/", "a-"] {
        let expected: Vec<&str> = sorted.iter().copied().filter(|path| path.starts_with(prefix)).collect();
        assert_eq!(list(subject, &tenant, prefix).await, expected, "{prefix:?}");
        for limit in 1..=expected.len() + 1 {
            let (mut paged, mut after) = (Vec::new(), None::<String>);
            loop {
                let page = subject.blobs().list(&tenant, prefix, after.as_deref(), limit).await.expect("an answer");
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                paged.extend(page);
            }
            assert_eq!(paged, expected, "{prefix:?}, {limit} at a time");
        }
    }
    for after in ["", "a", "a/b/c", "a/c", "zzz", "\u{0}", "../"] {
        let expected: Vec<&str> = sorted.iter().copied().filter(|path| *path > after).collect();
        assert_eq!(
            subject.blobs().list(&tenant, "", Some(after), ALL).await.expect("an answer"),
            expected,
            "{after:?}"
        );
    }
}

pub async fn prefixes_stay_within_their_tenant(subject: &dyn Subject) {
    let (mine, other) = (made::tenant_id(subject.now()), made::tenant_id(subject.now()));
    for path in ["job_1/log", "job_1/diff", "job_2/log"] {
        put(subject, &mine, path, "mine").await;
        put(subject, &other, path, "theirs").await;
    }
    put(subject, &other, "secret", "theirs").await;
    // What begins another tenant's name begins nothing of mine.
    for prefix in [other.as_str(), &other.as_str()[..8], &format!("{other}/")] {
        assert_eq!(list(subject, &mine, prefix).await, [""; 0]);
        assert_eq!(subject.blobs().remove(&mine, prefix).await, Ok(()));
    }
    assert_eq!(get(subject, &mine, "secret").await, None);
    assert_eq!(get(subject, &mine, &format!("{other}/secret")).await, None);
    assert_eq!(subject.blobs().remove(&mine, "").await, Ok(()));
    assert_eq!(list(subject, &mine, "").await, [""; 0]);
    assert_eq!(list(subject, &other, "").await.len(), 4);
    assert_eq!(get(subject, &other, "job_1/log").await.as_deref(), Some("theirs"));
}

pub async fn a_file_is_replaced_whole(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    let blobs = subject.blobs();
    assert_eq!(get(subject, &tenant, "a/b").await, None);
    for text in ["first and longer", "second", "", "third"] {
        put(subject, &tenant, "a/b", text).await;
        assert_eq!(get(subject, &tenant, "a/b").await.as_deref(), Some(text));
    }
    assert_eq!(blobs.get(&tenant, "a/b", 5).await, Ok(Some(b"third".to_vec())));
    assert_eq!(blobs.get(&tenant, "a/b", 4).await, Ok(None), "more than was asked for");
    assert_eq!(blobs.get(&tenant, "a", MOST).await, Ok(None), "a folder is no file");
    assert_eq!(blobs.get(&tenant, "a/b/c", MOST).await, Ok(None), "nor a file a folder");
    assert_eq!(list(subject, &tenant, "").await, ["a/b"]);
    let writers = (0..8).map(|number| blobs.put(&tenant, "raced", number.to_string().repeat(100_000).into_bytes()));
    assert!(super::together(writers.collect()).await.iter().all(Result::is_ok));
    let kept = get(subject, &tenant, "raced").await.expect("a file");
    assert!(kept.len() == 100_000 && kept.bytes().all(|byte| byte == kept.as_bytes()[0]), "of one writer, whole");
}

pub async fn a_large_file_arrives_as_it_is(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    let file = subject.folder().join("large");
    // More than one part of an upload, and no multiple of a round number.
    let bytes: Vec<u8> = (0..20_000_003_u32).map(|at| (at ^ (at >> 9)).to_le_bytes()[0]).collect();
    fs::write(&file, &bytes).expect("a file");
    assert_eq!(subject.blobs().put_file(&tenant, "a1/large", &file).await, Ok(()));
    fs::remove_file(&file).expect("a file");
    let found = subject.blobs().get(&tenant, "a1/large", MOST).await.expect("an answer").expect("a file");
    assert!(found == bytes, "{} bytes came back of {}", found.len(), bytes.len());
    assert!(broken(&subject.blobs().put_file(&tenant, "a1/none", &file).await), "there is no such file");
    assert!(broken(&subject.blobs().put_file(&tenant, "a1/none", subject.folder()).await), "it is a folder");
    assert_eq!(list(subject, &tenant, "").await, ["a1/large"]);
}

pub async fn removing_takes_what_begins_so(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    for path in ["a/b", "a/bc", "a/c", "ab", "b"] {
        put(subject, &tenant, path, path).await;
    }
    for (prefix, left) in [
        ("x", vec!["a/b", "a/bc", "a/c", "ab", "b"]),
        ("a/b", vec!["a/c", "ab", "b"]),
        ("a/", vec!["ab", "b"]),
        ("a/", vec!["ab", "b"]),
        ("a", vec!["b"]),
        ("", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(subject.blobs().remove(&tenant, prefix).await, Ok(()));
        assert_eq!(list(subject, &tenant, "").await, left, "without {prefix:?}");
    }
    put(subject, &tenant, "a", "where a folder was").await;
    assert_eq!(get(subject, &tenant, "a").await.as_deref(), Some("where a folder was"));
}

pub async fn a_link_opens_one_file_until_it_ends(subject: &dyn Subject) {
    let (mine, other) = (made::tenant_id(subject.now()), made::tenant_id(subject.now()));
    for (tenant, text) in [(&mine, "mine"), (&other, "theirs")] {
        put(subject, tenant, "a/file.txt", text).await;
        put(subject, tenant, "a/file.md", "another").await;
    }
    let minute = Duration::from_secs(60);
    let link = subject.blobs().link(&mine, "a/file.txt", subject.now().plus(minute)).await.expect("a link");
    assert_eq!(subject.fetch(&link).await.as_deref(), Some(b"mine".as_slice()));
    assert_eq!(subject.fetch(&link).await.as_deref(), Some(b"mine".as_slice()), "as often as one likes");
    for (is, becomes) in [
        (mine.as_str(), other.as_str()),
        ("file.txt", "file.md"),
        ("a/file.txt", "a/./file.txt"),
        ("a/file.txt", "a/../a/file.txt"),
        ("a/file.txt", "a"),
    ] {
        let forged = link.replace(is, becomes);
        assert_ne!(forged, link, "{is} is no part of it");
        assert_eq!(subject.fetch(&forged).await, None, "{forged}");
    }
    let (bare, _) = link.split_once('?').expect("a question");
    assert_eq!(subject.fetch(bare).await, None);
    // A character of what signs it, at its end.
    let mut forged = link.clone();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    assert_eq!(subject.fetch(&forged).await, None);
    let later = subject.blobs().link(&mine, "a/file.txt", subject.now().plus(minute * 3)).await.expect("a link");
    subject.pass(minute + Duration::from_secs(1)).await;
    assert_eq!(subject.fetch(&link).await, None, "it has ended");
    assert_eq!(subject.fetch(&later).await.as_deref(), Some(b"mine".as_slice()));
    assert_eq!(subject.blobs().remove(&mine, "a/").await, Ok(()));
    assert_eq!(subject.fetch(&later).await, None, "nothing is there");
}
