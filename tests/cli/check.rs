//! `outpost-bp check`: formats, several files, standard input, `--strict`, `--verbose`, `--fix`.

use serde_json::{Value, json};

use crate::builder::Test;
use crate::{FAULTY, RELEASE};

/// Two tasks with warnings only: no metadata, and without what strict 2.0 requires.
const LAX: &str = "\
```yaml
task_id: T0.1
name: a
run: make a
```

```yaml
agent_registry: {claude: 1}
```

```yaml
task_id: T0.2
name: b
run: make b
timeout_seconds: 90
```
";

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_blueprint_without_fault_is_one_line() {
    Test::of(&["check", "r.md"]).file("r.md", RELEASE).stdout("r.md: ok (5 tasks, BSF 2.0, 3 edges)\n").run();
    Test::of(&["check", "--strict", "r.md"])
        .file("r.md", RELEASE)
        .stdout("r.md: ok (5 tasks, BSF 2.0, 3 edges)\n")
        .run();
}

#[test]
fn four_mistakes_are_told_in_one_pass_each_with_its_way_out() {
    Test::of(&["check", "f.md"]).file("f.md", FAULTY).stdout_snapshot("check_four_mistakes").code(2).run();
}

#[test]
fn standard_input_is_a_document_like_any_other() {
    Test::of(&["check", "-"]).stdin(RELEASE).stdout("<stdin>: ok (5 tasks, BSF 2.0, 3 edges)\n").run();
    Test::of(&["check", "--json", "-"])
        .stdin("just prose\n")
        .stdout_fits(|text| {
            let told = parse(text);
            assert_eq!(told["diagnostics"][0]["file"], "<stdin>");
            assert_eq!(told["diagnostics"][0]["code"], "BP008");
        })
        .code(2)
        .run();
}

#[test]
fn several_files_are_checked_in_their_order() {
    Test::of(&["check", "a/r.md", "f.md", "r.md"])
        .file("r.md", RELEASE)
        .file("a/r.md", RELEASE)
        .file("f.md", FAULTY)
        .stdout_snapshot("check_several_files")
        .code(2)
        .run();
}

#[test]
fn json_says_it_all() {
    Test::of(&["check", "--json", "f.md"]).file("f.md", FAULTY).stdout_snapshot("check_json").code(2).run();
    Test::of(&["check", "--format", "json", "r.md"])
        .file("r.md", RELEASE)
        .stdout_fits(|text| {
            let file = json!({"file": "r.md", "ok": true, "tasks": 5, "dialect": "2.0"});
            let all = json!({"ok": true, "tasks": 5, "dialect": "2.0", "files": [file], "diagnostics": []});
            assert_eq!(parse(text), all);
        })
        .run();
}

#[test]
fn json_of_several_files_adds_up() {
    Test::of(&["check", "--json", "r.md", "f.md"])
        .file("r.md", RELEASE)
        .file("f.md", FAULTY)
        .stdout_fits(|text| {
            let told = parse(text);
            assert_eq!((&told["ok"], &told["tasks"]), (&json!(false), &json!(8)));
            let oks: Vec<_> = told["files"].as_array().expect("files").iter().map(|file| &file["ok"]).collect();
            assert_eq!(oks, [&json!(true), &json!(false)]);
            let diagnostics = told["diagnostics"].as_array().expect("diagnostics");
            assert_eq!(diagnostics.len(), 4);
            assert!(diagnostics.iter().all(|diagnostic| diagnostic["file"] == "f.md"));
        })
        .code(2)
        .run();
}

#[test]
fn sarif_names_rules_places_and_the_tool() {
    Test::of(&["check", "--format", "sarif", "f.md"])
        .file("f.md", FAULTY)
        .stdout_fits(|text| {
            let sarif = parse(text);
            assert_eq!(sarif["version"], "2.1.0");
            let run = &sarif["runs"][0];
            assert_eq!(run["columnKind"], "unicodeCodePoints");
            let driver = &run["tool"]["driver"];
            assert_eq!(
                (&driver["name"], &driver["version"]),
                (&json!("outpost-bp"), &json!(env!("CARGO_PKG_VERSION")))
            );
            let rules: Vec<_> = driver["rules"].as_array().expect("rules").iter().map(|rule| &rule["id"]).collect();
            let results = run["results"].as_array().expect("results");
            assert_eq!(results.len(), 4);
            assert!(results.iter().all(|result| rules.contains(&&result["ruleId"])), "every result has its rule");
            let region = json!({"startLine": 24, "startColumn": 14, "endLine": 24, "endColumn": 17});
            let place = json!({"physicalLocation": {"artifactLocation": {"uri": "f.md"}, "region": region}});
            assert_eq!(results[1]["ruleId"], "BP106");
            assert_eq!(results[1]["level"], "error");
            assert_eq!(results[1]["locations"], json!([place]));
        })
        .code(2)
        .run();
}

#[test]
fn github_actions_get_annotations_asked_for_or_not() {
    Test::of(&["check", "--format", "github", "f.md"])
        .file("f.md", FAULTY)
        .stdout_snapshot("check_github")
        .code(2)
        .run();
    Test::of(&["check", "f.md"])
        .file("f.md", FAULTY)
        .env("GITHUB_ACTIONS", "true")
        .stdout_snapshot("check_github")
        .code(2)
        .run();
    Test::of(&["check", "r.md"]).file("r.md", RELEASE).env("GITHUB_ACTIONS", "true").run();
    Test::of(&["check", "--format", "human", "r.md"])
        .file("r.md", RELEASE)
        .env("GITHUB_ACTIONS", "true")
        .stdout("r.md: ok (5 tasks, BSF 2.0, 3 edges)\n")
        .run();
    Test::of(&["check", "r.md"])
        .file("r.md", RELEASE)
        .env("GITHUB_ACTIONS", "false")
        .stdout("r.md: ok (5 tasks, BSF 2.0, 3 edges)\n")
        .run();
}

#[test]
fn a_file_name_cannot_forge_an_annotation() {
    Test::of(&["check", "--format", "github", "a,b%:c.md"])
        .file("a,b%:c.md", "just prose\n")
        .stdout_fits(|text| {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 2, "{text}");
            assert!(lines.iter().all(|line| line.contains(" file=a%2Cb%25%3Ac.md,line=1,col=1,")), "{text}");
        })
        .code(2)
        .run();
}

#[test]
fn warnings_pass_and_strict_refuses_them() {
    Test::of(&["check", "w.md"]).file("w.md", LAX).stdout_snapshot("check_warnings").run();
    Test::of(&["check", "--strict", "w.md"])
        .file("w.md", LAX)
        .stdout_fits(|text| {
            assert!(!text.contains("warning"), "{text}");
            assert!(text.contains("error[BP009]"), "{text}");
        })
        .code(2)
        .run();
}

#[test]
fn verbose_folds_nothing_and_shows_what_is_kept_as_data() {
    let many: String = (0..6)
        .map(|i| format!("```yaml\ntask_id: T0.{i}\nname: x\nrun: make\nverification: {{smoke: 'true'}}\n```\n\n"))
        .collect();
    let text = format!("{LAX}\n{}", many.replace("T0.", "T1."));
    Test::of(&["check", "w.md"])
        .file("w.md", &text)
        .stdout_fits(|text| {
            assert_eq!(text.matches("warning[BP112]").count(), 3, "{text}");
            assert!(text.contains("and 3 more like it (BP112: a verification that cannot fail), lines "), "{text}");
            assert!(text.contains("--verbose shows all") && !text.contains("kept as data"), "{text}");
        })
        .run();
    Test::of(&["check", "--verbose", "w.md"])
        .file("w.md", &text)
        .stdout_fits(|text| {
            assert_eq!(text.matches("warning[BP112]").count(), 6, "{text}");
            assert!(!text.contains("more like it"), "{text}");
            assert!(text.ends_with("(8 tasks, BSF 2.0, 0 edges)\n  line 8: kept as data: agent_registry\n"), "{text}");
        })
        .run();
}

#[test]
fn fix_mends_what_needs_no_judgement_and_leaves_every_other_byte() {
    let mended = FAULTY.replace("timeout: 30s", "timeout: PT30S");
    Test::of(&["check", "--fix", "f.md"])
        .file("f.md", FAULTY)
        .leaves("f.md", &mended)
        .stdout_fits(|text| assert!(text.ends_with("f.md: 3 errors (3 tasks, BSF 2.0, 3 edges)\n"), "{text}"))
        .stderr("f.md: 1 problem mended\n")
        .code(2)
        .run();
    Test::of(&["check", "--fix", "f.md"])
        .file("f.md", &mended)
        .stdout_fits(|text| assert!(!text.contains("BP106"), "{text}"))
        .code(2)
        .run();
    Test::of(&["check", "--fix", "r.md"]).file("r.md", RELEASE).stdout("r.md: ok (5 tasks, BSF 2.0, 3 edges)\n").run();
}

#[test]
fn fix_writes_the_authored_graph_from_the_tasks() {
    let graph = |needs: &str| {
        format!("{RELEASE}\n```yaml\ndependency_graph:\n  T0.2.1: [T0.1]\n  T0.2.2: [T0.1]\n  T1.1: [{needs}]\n```\n")
    };
    Test::of(&["check", "--fix", "g.md"])
        .file("g.md", graph("T0.1"))
        .leaves("g.md", graph("T0.2"))
        .stdout("g.md: ok (5 tasks, BSF 2.0, 3 edges)\n")
        .stderr("g.md: 1 problem mended\n")
        .run();
}

#[test]
fn fix_needs_a_file_and_never_touches_what_is_no_text() {
    Test::of(&["check", "--fix", "-"])
        .stdin(RELEASE)
        .stderr("error: `--fix` needs a file to write to\nhint: save the blueprint and name the file\n")
        .code(2)
        .run();
    Test::of(&["check", "--fix", "f.md"])
        .file("f.md", [FAULTY.as_bytes(), b"\xff\n"].concat())
        .stdout_fits(|text| assert!(text.contains("error[BP001]: byte 0xff is not valid UTF-8"), "{text}"))
        .code(2)
        .run();
}

#[cfg(unix)]
#[test]
fn fix_keeps_permissions_and_writes_through_a_link() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::TempDir::new().expect("a folder");
    let (target, link) = (folder.path().join("target.md"), folder.path().join("link.md"));
    fs::write(&target, FAULTY).expect("a file");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("permissions");
    symlink("target.md", &link).expect("a link");
    let shown = format!("{}: 1 problem mended\n", link.display());
    Test::of(&["check", "--fix"])
        .argument(&link)
        .stdout_fits(|text| assert!(text.contains("3 errors"), "{text}"))
        .stderr(shown)
        .code(2)
        .run();
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&target).expect("a file"), FAULTY.replace("30s", "PT30S"));
    assert_eq!(fs::metadata(&target).expect("a file").permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "no temporary file stays");
}
