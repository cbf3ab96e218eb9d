//! `docs/DEPLOYMENT.md`: each command stands in a fence that says whether a test ran it, and those that are said to have been
//! run were.

use std::collections::BTreeSet;
use std::fs;

use crate::root;
use crate::terraform::written;

/// What a fence of commands may be called.
const KINDS: [&str; 2] = ["sh tried", "sh untried"];

/// Commands by the kind of their fence.
fn commands() -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/DEPLOYMENT.md")).expect("docs/DEPLOYMENT.md");
    let (mut found, mut open) = (Vec::new(), None);
    for line in page.lines() {
        match (line.strip_prefix("```"), &open) {
            (Some(kind), None) => open = Some(kind.to_owned()),
            (Some(_), Some(_)) => open = None,
            (None, Some(kind)) if !line.is_empty() && !line.starts_with('#') => {
                found.push((kind.clone(), line.to_owned()));
            }
            (None, _) => {}
        }
    }
    assert_eq!(open, None, "a fence that does not end");
    found
}

#[test]
fn each_command_of_the_guide_says_whether_it_was_tried() {
    let commands = commands();
    for (kind, line) in &commands {
        assert!(
            KINDS.contains(&kind.as_str()) || kind == "text" || kind == "json",
            "`{line}` stands in a fence `{kind}`"
        );
    }
    assert!(commands.iter().filter(|(kind, _)| kind == KINDS[0]).count() > 8, "{commands:?}");
    for (_, line) in commands {
        for name in ["infrastructure/", "docs/"] {
            let Some(at) = line.find(name) else { continue };
            let path: String =
                line[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/._-".contains(*c)).collect();
            let made = ["backend.hcl", "tfplan"].iter().any(|made| path.ends_with(made));
            assert!(made || root().join(&path).exists(), "there is no `{path}`: {line}");
        }
    }
}

/// Those that are said to have been tried are among what was run.
pub(crate) fn compare(ran: &BTreeSet<String>) {
    for (_, line) in commands().into_iter().filter(|(kind, _)| kind == KINDS[0]) {
        // What becomes of the output is the shell's.
        let command = [" > ", " | "].iter().fold(line.as_str(), |rest, sign| rest.split(sign).next().unwrap_or(rest));
        let rest = command.strip_prefix("terraform -chdir=infrastructure/terraform/").expect("a command of Terraform");
        let (place, args) = rest.split_once(' ').expect("a command");
        let args: Vec<&str> = args.split_whitespace().collect();
        let said = written(place, &args);
        assert!(ran.contains(&said), "nothing ran `{said}`; what was run: {ran:#?}");
    }
}
