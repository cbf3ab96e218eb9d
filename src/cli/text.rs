//! Texts that come with the tool: the pages of `explain` and the starter of `new`.

use super::Failure;
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
