//! `outpost-bp graph`: every form of the drawing, and documents that are wrong.

use crate::builder::Test;
use crate::{FAULTY, RELEASE};

const FORMATS: [&str; 5] = ["mermaid", "dot", "svg", "ascii", "json"];

#[test]
fn every_form_of_the_drawing() {
    for (format, snapshot) in
        FORMATS.iter().zip(["graph_mermaid", "graph_dot", "graph_svg", "graph_ascii", "graph_json"])
    {
        Test::of(&["graph", "r.md", "--format", format]).file("r.md", RELEASE).stdout_snapshot(snapshot).run();
    }
    Test::of(&["graph", "r.md"]).file("r.md", RELEASE).stdout_snapshot("graph_ascii").run();
    Test::of(&["graph", "-"]).stdin(RELEASE).stdout_snapshot("graph_ascii").run();
}

#[test]
fn what_could_be_read_of_a_faulty_document_is_drawn() {
    for format in FORMATS {
        Test::of(&["graph", "f.md", "--format", format])
            .file("f.md", FAULTY)
            .stdout_fits(|text| assert!(["T0.1", "T0.2", "T0.3"].iter().all(|id| text.contains(id)), "{text}"))
            .stderr(
                "error: `f.md` has errors; the drawing shows what could be read\nhint: run `outpost-bp check f.md`\n",
            )
            .code(2)
            .run();
    }
}

#[test]
fn a_document_without_tasks_is_an_empty_drawing() {
    for format in FORMATS {
        Test::of(&["graph", "e.md", "--format", format])
            .file("e.md", "just prose\n")
            .stdout_fits(|text| assert!(text.ends_with('\n') && !text.contains("T0"), "{text}"))
            .stderr(
                "error: `e.md` has errors; the drawing shows what could be read\nhint: run `outpost-bp check e.md`\n",
            )
            .code(2)
            .run();
    }
}

#[test]
fn a_terminal_of_forty_columns_is_not_overrun() {
    Test::of(&["graph", "r.md"])
        .file("r.md", RELEASE)
        .env("COLUMNS", "40")
        .stdout_fits(|text| {
            assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
            assert!(text.contains("T0.2.2"), "{text}");
        })
        .run();
}

/// The blueprint with a place for the drawing.
fn marked(inside: &str) -> String {
    format!("{RELEASE}\n<!-- outpost-bp:graph -->{inside}<!-- /outpost-bp:graph -->\n\nThe end.\n")
}

#[test]
fn write_refreshes_the_drawing_and_nothing_else() {
    let (sent, drawn) = std::sync::mpsc::channel();
    Test::of(&["graph", "r.md", "--format", "mermaid"])
        .file("r.md", marked("\n"))
        .stdout_fits(move |text| sent.send(text.to_owned()).expect("heard"))
        .run();
    let block = format!("\n```mermaid\n{}```\n", drawn.recv().expect("a drawing"));
    for before in ["", "\n", "\nold\n\n```mermaid\nflowchart TB\n```\n"] {
        Test::of(&["graph", "r.md", "--write"])
            .file("r.md", marked(before))
            .leaves("r.md", marked(&block))
            .stderr("r.md: the drawing was refreshed\n")
            .run();
    }
    Test::of(&["graph", "r.md", "--write"])
        .file("r.md", marked(&block))
        .stderr("r.md: the drawing is up to date\n")
        .run();
    Test::of(&["check", "r.md"]).file("r.md", marked(&block)).stdout("r.md: ok (5 tasks, BSF 2.0, 3 edges)\n").run();
    let windows = |text: &str| text.replace('\n', "\r\n");
    Test::of(&["graph", "r.md", "--write"])
        .file("r.md", windows(&marked("\n")))
        .leaves("r.md", windows(&marked(&block)))
        .stderr("r.md: the drawing was refreshed\n")
        .run();
}

#[test]
fn write_needs_a_place_to_write_to() {
    let hint = "hint: write `<!-- outpost-bp:graph -->` and `<!-- /outpost-bp:graph -->` on lines of their own, once\n";
    for (text, problem) in [
        (RELEASE.to_owned(), "`r.md` does not say where the drawing goes"),
        (format!("<!-- outpost-bp:graph -->\n\n{RELEASE}"), "line 1 of `r.md`: this mark has no partner"),
        (format!("<!-- /outpost-bp:graph -->\n\n{RELEASE}"), "line 1 of `r.md`: this mark has no partner"),
        (
            format!("<!-- outpost-bp:graph -->\n\n<!-- outpost-bp:graph -->\n\n{RELEASE}"),
            "line 3 of `r.md`: the mark opens a second time",
        ),
    ] {
        Test::of(&["graph", "r.md", "--write"])
            .file("r.md", text)
            .stderr(format!("error: {problem}\n{hint}"))
            .code(2)
            .run();
    }
    Test::of(&["graph", "-", "--write"])
        .stdin(marked("\n"))
        .stderr("error: `--write` needs a file to write to\nhint: save the blueprint and name the file\n")
        .code(2)
        .run();
    Test::of(&["graph", "f.md", "--write"])
        .file("f.md", FAULTY)
        .stderr("error: `f.md` has errors; it was not changed\nhint: run `outpost-bp check f.md`\n")
        .code(2)
        .run();
}
