//! Real documents of the format, read as a whole: task counts, edges, and what is wrong with each.
//!
//! The documents are not ours and not in this repository. Where they stand beside the checkout
//! (`../shared`) every one is read; elsewhere this says that it read none.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use outpost_bp::blueprint::read;
use outpost_bp::document::Source;
use outpost_bp::plan::{Dag, Edge, check_files};

/// What is known of a document: found by reading it line by line, not by running this reader.
struct Known {
    /// How its file's name begins.
    file: &'static str,
    tasks: usize,
    /// Dependencies and bindings, each pair of tasks once.
    edges: usize,
    /// Parents that wait for their children.
    implied: usize,
    /// Codes and lines, in order of the document.
    findings: &'static [(&'static str, u32)],
}

const DOCUMENTS: &[Known] = &[
    // 37 tasks leave out `input_bindings`; its graph agrees with its tasks.
    Known { file: "mission/000_", tasks: 52, edges: 61, implied: 40, findings: &[("BP103", 349)] },
    // No task binds anything; reports named with `$(date …)`; the graph lists for seven parents
    // their children (18 edges no task has) and misses what the parents need (11 edges).
    Known {
        file: "corpus/OUTPOST_DISPATCH",
        tasks: 33,
        edges: 37,
        implied: 18,
        findings: &[
            ("BP103", 95),
            ("BP406", 1003),
            ("BP406", 1041),
            ("BP406", 1079),
            ("BP406", 1117),
            ("BP406", 1269),
            ("BP406", 1307),
            ("BP406", 1345),
            ("BP203", 1368),
            ("BP203", 1378),
            ("BP203", 1385),
            ("BP203", 1404),
            ("BP203", 1411),
            ("BP203", 1424),
            ("BP203", 1431),
        ],
    },
    // Counts 186 tasks and has 83; five tasks bind a port of T2.1 and the graph does not say so.
    Known {
        file: "corpus/OUTPOST_V2_COMMANDER",
        tasks: 83,
        edges: 125,
        implied: 28,
        findings: &[
            ("BP012", 18),
            ("BP103", 212),
            ("BP203", 3691),
            ("BP203", 3693),
            ("BP203", 3695),
            ("BP203", 3697),
            ("BP203", 3699),
        ],
    },
    // 2.1, Markdown under a YAML name: three settings nothing acts on.
    Known {
        file: "corpus/STORAGE_LIFECYCLE",
        tasks: 22,
        edges: 22,
        implied: 0,
        findings: &[("BP116", 60), ("BP116", 88), ("BP116", 99)],
    },
    // Notes around the mission: prose without a task.
    Known { file: "mission/001_", tasks: 0, edges: 0, implied: 0, findings: &[("BP008", 1), ("BP009", 1)] },
    Known { file: "mission/002_", tasks: 0, edges: 0, implied: 0, findings: &[("BP008", 1), ("BP009", 1)] },
    Known { file: "mission/003_", tasks: 0, edges: 0, implied: 0, findings: &[("BP008", 1), ("BP009", 1)] },
    Known { file: "mission/004_", tasks: 0, edges: 0, implied: 0, findings: &[("BP008", 1), ("BP009", 1)] },
];

fn find(start: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let (folder, name) = start.split_once('/').expect("a folder and a name");
    let mut entries = fs::read_dir(shared.join(folder)).ok()?;
    entries.find_map(|entry| {
        let path = entry.ok()?.path();
        path.file_name()?.to_str()?.starts_with(name).then_some(path)
    })
}

#[test]
fn real_documents_read_as_a_person_reads_them() {
    let mut read_documents = 0;
    for known in DOCUMENTS {
        let Some(path) = find(known.file) else {
            continue;
        };
        read_documents += 1;
        let (source, refusal) = Source::from_bytes(known.file, fs::read(&path).expect("a document"));
        assert_eq!(refusal, None, "{}", known.file);
        let reading = read(&source, false);
        let dag = Dag::of(&reading.draft, &reading.links);
        let count = |implied: bool| {
            let edges = reading.draft.indices().flat_map(|index| dag.waits_for(index));
            edges.filter(|(_, edge)| (*edge == Edge::Implied) == implied).count()
        };
        assert_eq!(reading.draft.tasks.len(), known.tasks, "tasks of {}", known.file);
        assert_eq!((count(false), count(true)), (known.edges, known.implied), "edges of {}", known.file);
        let mut findings: Vec<(&str, u32)> = reading
            .diagnostics
            .iter()
            .chain(&check_files(&reading.draft, &dag))
            .map(|problem| {
                let line = problem.span.map_or(1, |span| source.position(span.start).line);
                (problem.code.number(), line)
            })
            .collect();
        findings.sort_by_key(|(_, line)| *line);
        assert_eq!(findings, known.findings, "findings in {}", known.file);
    }
    if read_documents == 0 {
        // Not `eprintln!`, which the test harness keeps to itself.
        let said = "\nSKIPPED: no real documents beside this checkout (../shared/corpus, ../shared/mission)\n";
        std::io::stderr().write_all(said.as_bytes()).expect("stderr");
    }
}
