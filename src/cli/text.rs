//! Texts that come with the tool: the pages of `explain` and `man`, and the starter of `new`.

use clap::CommandFactory as _;

use super::{Cli, Failure};
use crate::diagnostic::{Code, nearest};

const STARTER: &str = include_str!("starter.md");

pub(super) fn explain(code: Option<&str>) -> Result<String, Failure> {
    let Some(wanted) = code else {
        return Ok(Code::ALL
            .iter()
            .map(|code| format!("{}  {:7}  {}\n", code.number(), code.severity().word(), code.title()))
            .collect());
    };
    match Code::find(wanted) {
        Some(code) => Ok(code.page().to_owned()),
        None => Err(Failure::new(
            format!("there is no diagnostic `{wanted}`"),
            match nearest(&wanted.to_uppercase(), Code::ALL.iter().map(|code| code.number())) {
                Some(meant) => format!("did you mean `{meant}`? `outpost-bp explain` lists all codes"),
                None => "`outpost-bp explain` lists all codes".to_owned(),
            },
        )),
    }
}

pub(super) fn starter(title: &str) -> String {
    STARTER.replace("{{title}}", title)
}

/// The manual page of the tool, or of one of its commands.
pub(super) fn manual(command: Option<&str>) -> Result<String, Failure> {
    let mut tool = Cli::command();
    tool.build();
    let page = match command {
        None => tool,
        Some(name) => match tool.find_subcommand(name) {
            Some(found) => found.clone().name(format!("outpost-bp-{name}")).version(env!("CARGO_PKG_VERSION")),
            None => {
                let names = tool.get_subcommands().map(clap::Command::get_name);
                let meant = nearest(name, names);
                return Err(Failure::new(
                    format!("there is no command `{name}`"),
                    meant
                        .map_or_else(|| "run `outpost-bp help`".to_owned(), |meant| format!("did you mean `{meant}`?")),
                ));
            }
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|error| Failure::new(format!("failed to write the page: {error}"), "try again"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::starter;
    use crate::blueprint::read;
    use crate::document::Source;

    #[test]
    fn the_starter_is_without_fault_even_for_strict() {
        let (source, _) = Source::from_bytes("new.md", starter("X").into_bytes());
        let reading = read(&source, true);
        assert_eq!(reading.diagnostics, []);
        assert!(reading.draft.tasks.len() >= 2);
    }
}
