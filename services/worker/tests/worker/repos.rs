//! Repositories: from folders of this machine, and over HTTP with a token that must not be anywhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use outpost_core::actions::{Caller, Stream};
use outpost_core::job::{Code, Status};
use outpost_core::ports::{Secret, SecretKind};
use outpost_core::spec::Spec;
use outpost_core::tenant::Tier;

use crate::bench::{World, shell};
use crate::server::Server;

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
        .args(args)
        .output()
        .expect("git");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A bare repository of two commits, a branch and a tag; and the id of its first commit.
fn repository(world: &World, path: &str) -> (PathBuf, String) {
    let (work, bare) = (world.path("work"), world.path(path));
    fs::create_dir_all(&work).expect("room");
    git(&work, &["init", "-q"]);
    fs::write(work.join("a.txt"), "one\n").expect("room");
    fs::write(work.join("b.bin"), [0, 1, 2, 255]).expect("room");
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-qm", "first"]);
    let first = git(&work, &["rev-parse", "HEAD"]);
    git(&work, &["tag", "v1"]);
    git(&work, &["switch", "-qc", "side"]);
    fs::write(work.join("a.txt"), "side\n").expect("room");
    git(&work, &["commit", "-qam", "side"]);
    git(&work, &["switch", "-q", "main"]);
    fs::write(work.join("a.txt"), "two\n").expect("room");
    git(&work, &["commit", "-qam", "second"]);
    fs::create_dir_all(bare.parent().expect("a folder")).expect("room");
    git(&work, &["clone", "-q", "--bare", ".", bare.to_str().expect("text")]);
    (bare, first)
}

async fn said(world: &World, caller: &Caller, spec: Spec) -> (Status, Option<Code>, String, String) {
    let id = world.submit(caller, spec).await;
    let (job, outcome) = world.ended(caller, &id).await;
    let log = world.log(caller, &id).await;
    let lines: Vec<&str> =
        log.iter().filter(|line| line.stream == Stream::Out).map(|line| line.text.as_str()).collect();
    (job.status, outcome.code, lines.join("\n"), outcome.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_in_a_clone_is_told_whatever_became_of_its_repository() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let (bare, first) = repository(&world, "repos/r.git");
    let allowed = world.path("repos");
    let _worker =
        world.worker().args(["--allow-local-repos", allowed.to_str().expect("text")]).start(&world.path("said"));
    let repo = Some(bare.to_str().expect("text").to_owned());
    let at = |reference: Option<&str>, line: &str| Spec {
        repo: repo.clone(),
        reference: reference.map(str::to_owned),
        ..shell(line)
    };
    for (reference, text) in [
        (None, "two"),
        (Some("side"), "side"),
        (Some("v1"), "one"),
        (Some(first.as_str()), "one"),
        (Some(&first[..10]), "one"),
    ] {
        let (status, _, out, message) = said(&world, &caller, at(reference, "cat a.txt; git status --short")).await;
        assert_eq!((status, out.as_str()), (Status::Succeeded, text), "{reference:?}: {message}");
    }
    let (status, code, ..) = said(&world, &caller, at(Some("none"), "true")).await;
    assert_eq!((status, code), (Status::Failed, Some(Code::CloneFailed)));

    // It commits, breaks its own repository, sets traps in it, and leaves files of all kinds.
    let line = "git config core.fsmonitor 'touch /tmp/trap-71'; git config diff.external 'touch /tmp/trap-71'; \
                git -c user.name=x -c user.email=x@x commit -qam x --allow-empty; echo '* diff=x' > .gitattributes; \
                echo three > a.txt; printf '\\000\\377' > c.bin; ln -s /etc/passwd link; rm b.bin; mkfifo pipe; \
                mkdir sub; git init -q sub; rm .git/HEAD";
    let id = world.submit(&caller, at(None, line)).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!(job.status, Status::Succeeded, "{outcome:?}");
    let diff = world.artifact(&job, "changes.diff").await;
    let copy = world.path("copy");
    git(world.folder.path(), &["clone", "-q", bare.to_str().expect("text"), "copy"]);
    fs::write(world.path("diff"), &diff).expect("room");
    git(&copy, &["apply", "--index", "../diff"]);
    assert_eq!(fs::read_to_string(copy.join("a.txt")).expect("a file"), "three\n");
    assert_eq!(fs::read(copy.join("c.bin")).expect("a file"), [0, 255]);
    assert_eq!(fs::read_link(copy.join("link")).expect("a link"), Path::new("/etc/passwd"));
    assert!(!copy.join("b.bin").exists() && !Path::new("/tmp/trap-71").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_folder_but_those_that_are_allowed_is_cloned() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let (bare, _) = repository(&world, "elsewhere/r.git");
    let allowed = world.path("repos");
    fs::create_dir(&allowed).expect("room");
    std::os::unix::fs::symlink(&bare, allowed.join("link.git")).expect("a link");
    let _worker =
        world.worker().args(["--allow-local-repos", allowed.to_str().expect("text")]).start(&world.path("said"));
    for path in [bare, allowed.join("link.git"), allowed.join("none.git")] {
        let repo = Some(path.to_str().expect("text").to_owned());
        let (status, code, ..) = said(&world, &caller, Spec { repo, ..shell("true") }).await;
        assert_eq!((status, code), (Status::Failed, Some(Code::RepositoryRefused)), "{}", path.display());
    }
    // A name that leads to this machine is no host of the internet.
    let repo = Some("https://localhost/a/b".to_owned());
    let (status, code, _, message) = said(&world, &caller, Spec { repo, ..shell("true") }).await;
    assert_eq!((status, code), (Status::Failed, Some(Code::RepositoryRefused)), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_repository_and_is_nowhere_else() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    repository(&world, "served/ada/r");
    let token = "ghp_canary7Q9zXv3KpLm2Wd8RtYbN4";
    let server = Server::start(world.path("served"), token).await;
    let kind = SecretKind::GithubToken;
    world.desk.put_secret(&caller, kind, &Secret::new(token.to_owned())).await.expect("a secret");
    let mirror = format!("git.test={}", server.base);
    let _worker = world.worker().args(["--git-mirror", &mirror]).start(&world.path("said"));
    // The command knows it in two halves only, and tries to bring it out: as it is, in pieces, in base64, in a file.
    let (a, b) = token.split_at(11);
    let line = format!(
        "cat a.txt; env; cat .git/config; ls -R .git; printf '%s' '{a}'; sleep 0.4; echo '{b}'; \
         printf '%s%s' '{a}' '{b}' | base64; printf '%s%s' '{a}' '{b}' > leak.txt"
    );
    let id = world.submit(&caller, Spec { repo: Some("https://git.test/ada/r".to_owned()), ..shell(&line) }).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!(job.status, Status::Succeeded, "{outcome:?}");
    assert!(server.let_in() > 0, "it asked without the token");
    assert_eq!(server.seen(), Vec::<String>::new(), "in an argument or an environment while git ran");
    let log = world.log(&caller, &id).await;
    let text: String = log.iter().map(|line| format!("{}\n", line.text)).collect();
    assert!(text.contains("two") && text.contains("***") && text.contains("https://git.test/ada/r"), "{text}");
    let diff = String::from_utf8(world.artifact(&job, "changes.diff").await).expect("text");
    assert!(diff.contains("leak.txt") && diff.contains("***"), "{diff}");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, token);
    // The log, the outcome, the store, the files of the service, what the worker said.
    let mut hits = Vec::new();
    let mut folders = vec![world.path("data"), world.path("workspaces")];
    let mut files = vec![world.path("said")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    for path in files {
        let bytes = fs::read(&path).expect("a file");
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if has(token) || has(&encoded) {
            hits.push(path);
        }
    }
    assert_eq!(hits, Vec::<PathBuf>::new());
}
