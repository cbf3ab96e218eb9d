//! Files that are no blueprints, and blueprints made to hurt: a clear error each, in bounded memory.
//!
//! Memory is bounded by the kernel: beyond the limit an allocation fails and the run aborts. Time is
//! not measured; a run that hangs is ended by the builder.

use std::fmt::Write;

use crate::RELEASE;
use crate::builder::Test;

/// Address space of a run, in MiB. A debug build with its threads starts at about 200.
const LIMIT: u64 = 512;

/// A task in a fence.
fn task(id: &str, extra: &str) -> String {
    format!("```yaml\ntask_id: {id}\nname: x\nrun: make\n{extra}```\n\n")
}

/// `check`, in bounded memory, of a document that is wrong in one way.
fn refused(text: impl AsRef<[u8]>, code: &'static str, message: &'static str) {
    Test::of(&["check", "h.md"])
        .file("h.md", text)
        .memory(LIMIT)
        .stdout_fits(move |text| {
            let error = format!("error[{code}]: {message}");
            let start: String = text.chars().take(2_000).collect();
            assert!(text.contains(&error), "no `{error}` in:\n{start}");
        })
        .code(2)
        .run();
}

/// `check`, `plan` and `graph`, in bounded memory, of a document that is large and not wrong.
fn accepted(text: &str) {
    for command in [&["check"][..], &["plan"], &["graph"], &["graph", "--format", "svg"]] {
        Test::of(&[command, &["h.md"]].concat())
            .file("h.md", text)
            .memory(LIMIT)
            .stdout_fits(|text| assert!(!text.is_empty()))
            .run();
    }
}

#[test]
fn a_missing_file_and_a_directory() {
    for command in ["check", "plan", "graph"] {
        Test::of(&[command, "nope.md"])
            .stderr("error: failed to read `nope.md`: there is no such file\nhint: check the path; it is relative to the working directory\n")
            .code(2)
            .run();
        Test::of(&[command, "."])
            .stderr("error: failed to read `.`: it is a directory\nhint: name a blueprint inside it\n")
            .code(2)
            .run();
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_what_is_wrong_with_the_others() {
    Test::of(&["check", "nope.md", "e.md", "."])
        .file("e.md", "just prose\n")
        .stdout_fits(|text| assert!(text.contains("e.md: 1 error, 1 warning"), "{text}"))
        .stderr(
            "error: failed to read `nope.md`: there is no such file\nhint: check the path; it is relative to the working directory\n\
             error: failed to read `.`: it is a directory\nhint: name a blueprint inside it\n",
        )
        .code(2)
        .run();
    Test::of(&["check", "--json", "r.md", "nope.md"])
        .file("r.md", RELEASE)
        .stdout_fits(|text| {
            let told: serde_json::Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(told["ok"], false, "a file is missing");
            assert_eq!(told["files"].as_array().expect("files").len(), 1);
        })
        .stderr("error: failed to read `nope.md`: there is no such file\nhint: check the path; it is relative to the working directory\n")
        .code(2)
        .run();
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_and_devices_are_no_files_and_nothing_waits_for_them() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    for command in ["check", "plan", "graph"] {
        Test::of(&[command, "fifo"])
            .prepare(|folder| mkfifoat(CWD, folder.join("fifo"), Mode::RUSR | Mode::WUSR).expect("a pipe"))
            .stderr("error: failed to read `fifo`: it is not a regular file\nhint: write `-` to read standard input\n")
            .code(2)
            .run();
        Test::of(&[command, "/dev/zero"])
            .stderr(
                "error: failed to read `/dev/zero`: it is not a regular file\nhint: write `-` to read standard input\n",
            )
            .code(2)
            .run();
    }
}

#[test]
fn two_gigabytes_are_refused_unread() {
    let make = |folder: &std::path::Path| {
        let file = std::fs::File::create(folder.join("big.md")).expect("a file");
        file.set_len(2 << 30).expect("a sparse file");
    };
    // Nothing of it is looked at after the run: the builder would read all of it.
    let folder = tempfile::TempDir::new().expect("a folder");
    make(folder.path());
    let path = folder.path().join("big.md");
    Test::of(&["check"])
        .argument(&path)
        .memory(LIMIT)
        .stderr(format!(
            "error: failed to read `{}`: it is larger than 512 MiB, the most that is read\nhint: split the blueprint; 100,000 tasks with all their fields are about 110 MB\n",
            path.display()
        ))
        .code(2)
        .run();
}

#[cfg(target_os = "linux")]
#[test]
fn standard_input_without_end_is_read_up_to_the_limit() {
    Test::of(&["check", "-"])
        .stdin_from("/dev/zero")
        .memory(2 * 1024)
        .stderr("error: failed to read `-`: it is larger than 512 MiB, the most that is read\nhint: split the blueprint; 100,000 tasks with all their fields are about 110 MB\n")
        .code(2)
        .run();
}

#[test]
fn bytes_that_are_no_text() {
    refused([RELEASE.as_bytes(), b"\0"].concat(), "BP001", "the document holds a NUL byte");
    refused(b"\0\0\0\0", "BP001", "the document holds a NUL byte");
    refused([RELEASE.as_bytes(), b"caf\xe9\n"].concat(), "BP001", "byte 0xe9 is not valid UTF-8");
    refused(b"\xff\xfe#\0 \0T\0", "BP001", "byte 0xff is not valid UTF-8");
    refused((0..=255).cycle().take(100_000).collect::<Vec<u8>>(), "BP001", "the document holds a NUL byte");
    refused("", "BP008", "the document has no task");
}

#[test]
fn an_alias_bomb_is_defused() {
    let mut bomb = "task_id: T0.1\nname: x\nrun: y\nexample:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (from, to) in ('a'..='y').zip('b'..='z') {
        let uses = vec![format!("*{from}"); 10].join(", ");
        writeln!(bomb, "  {to}: &{to} [{uses}]").expect("a string");
    }
    let fault = "aliases add more than 100000 values to this block";
    refused(format!("```yaml\n{bomb}```\n"), "BP006", fault);
    // The same one block after another, and with merge keys.
    refused(format!("```yaml\n{bomb}```\n\n").repeat(20), "BP006", fault);
    let mut merges = "a: &a {x: 1}\n".to_owned();
    for (from, to) in ('a'..='y').zip('b'..='z') {
        let keys: String = (0..10).map(|i| format!("k{i}: *{from}, ")).collect();
        writeln!(merges, "{to}: &{to} {{<<: *{from}, {keys}}}").expect("a string");
    }
    refused(format!("```yaml\n{merges}```\n"), "BP006", fault);
}

#[test]
fn ten_thousand_levels_are_too_deep_in_every_notation() {
    let fault = "values are nested";
    let levels = 10_000;
    refused(task("T0.1", &format!("example: {}{}\n", "[".repeat(levels), "]".repeat(levels))), "BP005", fault);
    refused(task("T0.1", &format!("example: {}1{}\n", "{a: ".repeat(levels), "}".repeat(levels))), "BP005", fault);
    refused(task("T0.1", &format!("example:\n  {}x\n", "- ".repeat(levels))), "BP005", fault);
    let stairs: String = (1..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    refused(task("T0.1", &format!("example:\n{stairs}")), "BP005", fault);
    // Closed nowhere: the parser's own word for it will do.
    refused(task("T0.1", &format!("example: {}\n", "[".repeat(levels))), "BP005", fault);
}

#[test]
fn ten_thousand_levels_of_markdown_are_read_as_prose() {
    for prose in [
        ">".repeat(10_000),
        "- ".repeat(10_000),
        "[".repeat(10_000),
        "![a](".repeat(10_000),
        "*a ".repeat(10_000),
        "**a *b ".repeat(10_000),
        "<a ".repeat(10_000),
        "<!-- ".repeat(10_000),
        "`a``".repeat(10_000),
        (0..2_000).map(|level| format!("{}- x\n", "  ".repeat(level))).collect(),
    ] {
        accepted(&format!("{}{prose}\n", task("T0.1", "")));
    }
}

#[test]
fn expressions_in_small_languages_may_not_nest_without_end() {
    let transform = |code: &str| {
        task("T0.1", "output: {location: stdout, ports: {p: {type: json}}}\n")
            + &task(
                "T0.2",
                &format!(
                    "input_bindings: {{i: {{source: T0.1, transform: {{language: jq, expression: '{code}'}}}}}}\n"
                ),
            )
    };
    let levels = 100_000;
    for code in [
        "(".repeat(levels),
        format!("{}.{}", "(".repeat(levels), ")".repeat(levels)),
        ".|".repeat(levels) + ".",
        "[".repeat(levels),
        "-".repeat(levels) + "1",
        "if . then ".repeat(levels),
        "\"\\(".repeat(levels),
        ". as $x | ".repeat(levels) + ".",
        "def f: ".repeat(levels),
    ] {
        refused(transform(&code), "BP209", "this is no jq expression: ");
    }
    let path = |path: &str| task("T0.1", &format!("handoff: {{state_fields: [{{name: a, path: '{path}'}}]}}\n"));
    for code in
        ["[?(@".repeat(levels), "[?@".repeat(16), "[?!".repeat(levels), "[?((((".repeat(levels), "..[?@".repeat(levels)]
    {
        refused(path(&format!("${code}")), "BP118", "");
    }
    let schema = |pattern: &str| {
        task("T0.1", &format!("interface: {{output_schema: {{type: string, pattern: '{pattern}'}}}}\n"))
    };
    for pattern in ["(".repeat(levels), "(((a{1000}){1000}){1000}){1000}".to_owned()] {
        refused(schema(&pattern), "BP210", "");
    }
}

#[test]
fn a_million_lines_of_nothing() {
    let fault = "the document has no task";
    refused("\n".repeat(1_000_000), "BP008", fault);
    refused("\r\n".repeat(1_000_000), "BP008", fault);
    refused(" \n".repeat(1_000_000), "BP008", fault);
    refused("---\n".repeat(1_000_000), "BP008", fault);
    refused("#\n".repeat(1_000_000), "BP008", fault);
    refused(format!("```yaml\n{}```\n", "\n".repeat(1_000_000)), "BP008", fault);
    refused(format!("# c\n{}", "# c\n".repeat(1_000_000)), "BP008", fault);
}

#[test]
fn one_line_of_ten_megabytes() {
    refused("x".repeat(10 << 20), "BP008", "the document has no task");
    accepted(&task("T0.1", &format!("notes: {}\n", "x".repeat(10 << 20))));
    accepted(&task("T0.1", &format!("notes: '{}'\n", "${secrets.A} ".repeat(1 << 16))));
}

/// Many of one thing in one place, where no author has many.
#[test]
fn thousands_of_a_thing() {
    let lines = |make: fn(usize) -> String| (0..4_000).map(make).collect::<String>();
    for extra in [
        lines(|i| format!("key{i}: 1\n")),
        format!("output:\n  location: stdout\n  ports:\n{}", lines(|i| format!("    p{i}: json\n"))),
        format!("interface:\n  outputs:\n{}", lines(|i| format!("  - p{i}\n"))),
        format!("handoff:\n  state_fields:\n{}", lines(|i| format!("  - p{i}\n"))),
        format!("input_bindings:\n{}", lines(|i| format!("  b{i}: some/path{i}\n"))),
        format!("execution_context:\n  environment_variables:\n{}", lines(|i| format!("    K{i}: v\n"))),
        format!("files_to_create:\n{}", lines(|i| format!("- out/{i}\n"))),
        format!(
            "example:\n  b: &b\n{}  c:\n    <<: *b\n{}",
            lines(|i| format!("    a{i}: 1\n")),
            lines(|i| format!("    k{i}: 1\n"))
        ),
    ] {
        accepted(&task("T0.1", &extra));
    }
    let tasks = lines(|i| task(&format!("T0.{i}"), ""));
    let all = (0..4_000).map(|i| format!("T0.{i}")).collect::<Vec<_>>().join(", ");
    accepted(&format!("{}{tasks}", task("T0", "")));
    accepted(&format!("{tasks}{}", task("T1.1", &format!("dependencies: [{all}]\n"))));
    accepted(&format!(
        "{tasks}{}```yaml\ndependency_graph:\n  T1.1: [{all}]\n```\n",
        task("T1.1", &format!("dependencies: [{all}]\n"))
    ));
    let locks = format!("```yaml\nexecution:\n  resource_locks:\n{}```\n\n", lines(|i| format!("  - name: lock{i}\n")));
    accepted(&format!("{locks}{}", lines(|i| task(&format!("T0.{i}"), &format!("resources: {{locks: [lock{i}]}}\n")))));
}

/// Many mistakes of one kind, some of them on one line: each is told.
#[test]
fn a_thousand_of_a_mistake() {
    let lines = |make: fn(usize) -> String| (0..1_000).map(make).collect::<String>();
    let items = |make: fn(usize) -> String| (0..1_000).map(make).collect::<Vec<_>>().join(", ");
    refused(task("T1.1", &format!("dependencies: [{}]\n", items(|i| format!("X{i}")))), "BP201", "`T1.1` needs `X0`");
    refused(
        task("T0.1", &format!("required_capabilities: [{}]\n", items(|i| format!("'node>{i}'")))),
        "BP110",
        "`node>0` is no capability",
    );
    refused(
        task("T0.1", &format!("notes: '{}'\n", "${secrets.a-b}".repeat(1_000))),
        "BP404",
        "`${secrets.a-b}` is no secret reference",
    );
    refused(
        task("T0.1", &format!("files_to_create: ['{}']\n", "${x}".repeat(1_000))),
        "BP401",
        "there is no variable `x`",
    );
    refused("```yaml\ntask_id: T0.1\n\n".repeat(1_000), "BP002", "");
    refused(
        format!(
            "```yaml\nexecution:\n  resource_locks:\n{}```\n\n{}",
            lines(|i| format!("  - name: lock{i}\n")),
            task("T0.1", &format!("resources: {{locks: [{}]}}\n", items(|i| format!("lokc{i}"))))
        ),
        "BP301",
        "the lock `lokc0` is not declared",
    );
    refused(task(&format!("a{}", ".a".repeat(20_000)), ""), "BP107", "");
    refused(
        lines(|i| task(&format!("T0.{i}"), &format!("dependencies: [T0.{}]\n", (i + 1) % 1_000))),
        "BP202",
        "1000 tasks wait for each other",
    );
    refused(lines(|_| task("T0.1", "")), "BP108", "`T0.1` is the id of two tasks");
    refused(lines(|i| task(&format!("T0.{i}"), "resources: {timeout: 30s}\n")), "BP106", "");
}
