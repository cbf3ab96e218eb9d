//! Writes a blueprint down, in one of the many ways its author may have chosen.
//!
//! The printer knows YAML only as an author does: it quotes what needs quotes, and picks among the
//! notations that are left. It shares nothing with the reader.

use std::fmt::Write;

use crate::model::{Blueprint, Task};

/// An endless sequence of choices, the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Taste(u64);

impl Taste {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64, whose constants these are.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).expect("a number below a usize")
    }

    fn often(&mut self) -> bool {
        self.below(4) > 0
    }

    fn rarely(&mut self) -> bool {
        self.below(4) == 0
    }
}

/// The notation of the whole document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Fences under headings.
    Markdown,
    /// Fences inside quotes and list items.
    Nested,
    /// `tiers[].tasks[]`.
    Tiers,
    /// A plain list of tasks.
    List,
}

pub(crate) const CARRIERS: [Carrier; 4] = [Carrier::Markdown, Carrier::Nested, Carrier::Tiers, Carrier::List];

/// The blueprint as a document.
pub(crate) fn print(blueprint: &Blueprint, carrier: Carrier, taste: &mut Taste) -> String {
    let text = match carrier {
        Carrier::Markdown | Carrier::Nested => markdown(blueprint, carrier, taste),
        Carrier::Tiers | Carrier::List => yaml(blueprint, carrier, taste),
    };
    let text = if taste.rarely() { text.replace('\n', "\r\n") } else { text };
    if taste.rarely() { format!("\u{feff}{text}") } else { text }
}

const METADATA: [(&str, &str); 3] =
    [("_blueprint_version", "2.0.2"), ("_generated_at", "2026-01-01T00:00:00Z"), ("_generator", "test")];

fn markdown(blueprint: &Blueprint, carrier: Carrier, taste: &mut Taste) -> String {
    let mut out = String::new();
    let heading = format!("# {}\n\n", one_line(&blueprint.title));
    if taste.often() {
        out += &heading;
        for (key, value) in METADATA {
            writeln!(out, "<!-- {key}: {value} -->").expect("a string");
        }
        out.push('\n');
    } else {
        out += "---\n";
        for (key, value) in METADATA {
            writeln!(out, "{key}: \"{value}\"").expect("a string");
        }
        out += "---\n\n";
        out += &heading;
    }
    let settings = format!("execution:\n{}", indent(&settings(blueprint, taste), 2));
    out += &fence(&settings, carrier, taste);
    let mut tier = None;
    for task in &blueprint.tasks {
        if tier != Some(task.tier) {
            tier = Some(task.tier);
            writeln!(out, "## Tier {}: The {}th\n", task.tier, task.tier).expect("a string");
        }
        if taste.often() {
            writeln!(out, "### {}: {}\n\nSome prose.\n", task.id, one_line(&task.name)).expect("a string");
        }
        let marked = taste.rarely();
        if marked {
            writeln!(out, "<!-- TASK_BEGIN: {} -->\n", task.id).expect("a string");
        }
        out += &fence(&block(task, taste), carrier, taste);
        if marked {
            writeln!(out, "<!-- TASK_END: {} -->\n", task.id).expect("a string");
        }
    }
    out
}

fn yaml(blueprint: &Blueprint, carrier: Carrier, taste: &mut Taste) -> String {
    let mut out = String::new();
    if taste.rarely() {
        out += "# written by hand\n---\n";
    }
    for (key, value) in METADATA {
        writeln!(out, "{key}: {}", quoted(value)).expect("a string");
    }
    writeln!(out, "title: {}", scalar(&blueprint.title, 0, taste)).expect("a string");
    write!(out, "execution:\n{}", indent(&settings(blueprint, taste), 2)).expect("a string");
    if carrier == Carrier::List {
        out += "tasks:\n";
        for task in &blueprint.tasks {
            out += &item(&block(task, taste), 0);
        }
        return out;
    }
    out += "tiers:\n";
    let mut tier = None;
    for task in &blueprint.tasks {
        if tier != Some(task.tier) {
            tier = Some(task.tier);
            writeln!(out, "  - name: The {}th\n    tier_number: {}\n    tasks:", task.tier, task.tier)
                .expect("a string");
        }
        out += &item(&block(task, taste), 6);
    }
    out
}

/// The heading shows a text on one line; what it says there decides nothing.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    format!("x{plain}")
}

/// A block in a fence that nothing inside of it closes.
fn fence(block: &str, carrier: Carrier, taste: &mut Taste) -> String {
    let mark = if taste.often() { '`' } else { '~' };
    let mut longest = 2;
    let mut run = 0;
    for c in block.chars() {
        run = if c == mark { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let mark = String::from(mark).repeat(longest + 1);
    let language = ["yaml", "yml", "YAML"][taste.below(3)];
    let fenced = format!("{mark}{language}\n{block}{mark}\n");
    let prefixed = |first: &str, rest: &str| {
        let mut out = String::new();
        for (number, line) in fenced.split_inclusive('\n').enumerate() {
            // Blank lines belong to the item also without its indentation.
            let prefix = if number == 0 { first } else { rest };
            out += if line.trim().is_empty() { prefix.trim_end() } else { prefix };
            out += line;
        }
        out + "\n"
    };
    match carrier {
        Carrier::Nested => match taste.below(3) {
            0 => prefixed("> ", "> "),
            1 => prefixed("- ", "  "),
            _ => prefixed("1. > ", "   > "),
        },
        _ => prefixed("", ""),
    }
}

fn settings(blueprint: &Blueprint, taste: &mut Taste) -> String {
    let locks: Vec<String> = blueprint.locks.iter().map(|lock| format!("{{name: {}}}", word(lock, taste))).collect();
    format!("max_parallel_tasks: {}\nresource_locks:{}\n", blueprint.max_parallel_tasks, list(&locks, taste))
}

/// The fields of a task in some order. A field is its key and everything behind the colon.
fn fields(task: &Task, taste: &mut Taste) -> Vec<(&'static str, String)> {
    let dependencies: Vec<String> = task.dependencies.iter().map(|id| word(id, taste)).collect();
    let criteria: Vec<String> = task.criteria.iter().map(|text| scalar(text, 2, taste)).collect();
    let mut fields = vec![
        ("task_id", format!(" {}", word(&task.id, taste))),
        ("name", format!(" {}", scalar(&task.name, 0, taste))),
        ("status", format!(" {}", word(task.status, taste))),
        ("dependencies", list(&dependencies, taste)),
        (
            "input_bindings",
            mapping(task.bindings.iter().map(|binding| (binding.0.clone(), bind(binding, taste))).collect(), taste),
        ),
        ("description", format!(" {}", scalar(&task.description, 0, taste))),
        ("interface", mapping(vec![("input", "nothing".to_owned()), ("output", "a thing".to_owned())], taste)),
        ("output", output(task, taste)),
        ("acceptance_criteria", list(&criteria, taste)),
        (
            "verification",
            mapping(
                task.verification.iter().map(|(stage, command)| (*stage, scalar(command, 2, taste))).collect(),
                taste,
            ),
        ),
        ("rollback", format!(" {}", scalar(&task.rollback, 0, taste))),
    ];
    if let Some(run) = &task.run {
        fields.push(("run", format!(" {}", scalar(run, 0, taste))));
    }
    if !task.locks.is_empty() {
        let locks: Vec<String> = task.locks.iter().map(|lock| word(lock, taste)).collect();
        fields.push(("resources", format!(" {{locks: [{}]}}", locks.join(", "))));
    }
    if let Some(action) = &task.gate {
        fields.push(("human_required", mapping(vec![("action", scalar(action, 2, taste))], taste)));
    }
    if let Some(idempotent) = task.idempotent {
        fields.push(("idempotent", format!(" {idempotent}")));
    }
    if !task.environment.is_empty() {
        let variables = task.environment.iter().map(|(name, value)| (name.as_str(), scalar(value, 4, taste)));
        let inner = mapping(variables.collect(), taste);
        fields.push(("execution_context", format!("\n  environment_variables:{}", inner.replace('\n', "\n  "))));
    }
    for at in (1..fields.len()).rev() {
        let other = taste.below(at + 1);
        fields.swap(at, other);
    }
    fields
}

fn block(task: &Task, taste: &mut Taste) -> String {
    let fields = fields(task, taste);
    entries(&fields, taste)
}

fn bind(binding: &(String, String, String), taste: &mut Taste) -> String {
    let (_, source, port) = binding;
    if taste.rarely() {
        return format!("{source}.output.{port}");
    }
    format!("{{source: {}, output_port: {}}}", word(source, taste), word(port, taste))
}

fn output(task: &Task, taste: &mut Taste) -> String {
    let ports: Vec<String> = task
        .ports
        .iter()
        .map(
            |(name, kind)| if taste.rarely() { format!("{name}: {kind}") } else { format!("{name}: {{type: {kind}}}") },
        )
        .collect();
    format!(" {{location: stdout, ports: {{{}}}}}", ports.join(", "))
}

fn entries(fields: &[(&'static str, String)], taste: &mut Taste) -> String {
    let mut out = String::new();
    for (key, value) in fields {
        // A blank line would belong to a text that keeps its line ends.
        let blank = if out.contains("|+") { "" } else { "\n" };
        out += ["", "", "", "", blank, "# about the next line: it's here\n"][taste.below(6)];
        writeln!(out, "{key}:{value}").expect("a string");
    }
    out
}

/// A mapping as an item of a list at this indentation.
fn item(block: &str, column: usize) -> String {
    let pad = " ".repeat(column);
    let mut out = String::new();
    for (number, line) in block.split_inclusive('\n').enumerate() {
        match (number, line.trim().is_empty()) {
            (0, _) => write!(out, "{pad}- {line}").expect("a string"),
            (_, true) => out += line,
            (_, false) => write!(out, "{pad}  {line}").expect("a string"),
        }
    }
    out
}

fn indent(block: &str, columns: usize) -> String {
    let pad = " ".repeat(columns);
    block
        .split_inclusive('\n')
        .map(|line| if line.trim().is_empty() { line.to_owned() } else { format!("{pad}{line}") })
        .collect()
}

/// A list: in brackets, or an item a line.
fn list(items: &[String], taste: &mut Taste) -> String {
    let flows = items.iter().all(|item| !item.contains('\n'));
    if items.is_empty() || (flows && taste.below(2) == 0) {
        return format!(" [{}]", items.join(", "));
    }
    items.iter().map(|item| format!("\n  - {item}")).collect()
}

/// A mapping: in braces, or an entry a line.
fn mapping<K: AsRef<str>>(entries: Vec<(K, String)>, taste: &mut Taste) -> String {
    let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{}: {value}", key.as_ref())).collect();
    let flows = entries.iter().all(|entry| !entry.contains('\n'));
    if entries.is_empty() || (flows && taste.below(2) == 0) {
        return format!(" {{{}}}", entries.join(", "));
    }
    entries.iter().map(|entry| format!("\n  {entry}")).collect()
}

/// A word that needs no quotes, with or without them.
fn word(text: &str, taste: &mut Taste) -> String {
    match taste.below(6) {
        0 => format!("'{text}'"),
        1 => quoted(text),
        _ => text.to_owned(),
    }
}

/// Any text, in one of the notations that can hold it. `column` is that of the key or the dash.
fn scalar(text: &str, column: usize, taste: &mut Taste) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '/' | '.'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && !matches!(text, "null" | "Null" | "NULL");
    let single = text.chars().all(|c| !c.is_control() && c != '\u{2028}');
    let block = !text.is_empty()
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| (!c.is_control() || c == '\n' || c == '\t') && c != '\u{2028}')
        // A line of spaces only would belong to the indentation.
        && text.lines().all(|line| line.is_empty() || !line.trim().is_empty());
    match taste.below(4) {
        0 | 1 if plain => text.to_owned(),
        0..=2 if block => literal(text, column),
        _ if single && taste.below(2) == 0 => format!("'{}'", text.replace('\'', "''")),
        _ => quoted(text),
    }
}

/// `|` and its lines, with the sign for what happens to the last line ends.
fn literal(text: &str, column: usize) -> String {
    let body = text.trim_end_matches('\n');
    let ends = text.len() - body.len();
    let (sign, blank) = match ends {
        0 => ("|-", 0),
        1 => ("|", 0),
        more => ("|+", more - 1),
    };
    let pad = " ".repeat(column + 2);
    let lines: Vec<String> =
        body.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") }).collect();
    format!("{sign}\n{}{}", lines.join("\n"), "\n".repeat(blank))
}

/// In double quotes, with everything escaped that might need it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            c if c.is_control() || c == '\u{2028}' => write!(out, "\\u{:04X}", u32::from(c)).expect("a string"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
