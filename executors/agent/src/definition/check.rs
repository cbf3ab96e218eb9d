//! Tells what is wrong with a definition that could be read: all of it at once, each with a way out.

use super::{Definition, Item, Matches, Problem, SCHEMA, SessionId, Via, problem};
use crate::command::{KNOWN, SPLICES, placeholders, splice};

struct Check<'a> {
    file: &'a str,
    definition: &'a Definition,
    found: Vec<Problem>,
}

pub(super) fn problems(name: &str, file: &str, definition: &Definition) -> Vec<Problem> {
    let mut check = Check { file, definition, found: Vec::new() };
    check.head(name);
    check.texts();
    check.commands();
    check.session();
    check.output();
    check.classes();
    check.found
}

impl Check<'_> {
    fn tell(&mut self, key: &str, what: &str, help: &str) {
        self.found.push(problem(self.file, &format!("`{key}`"), what, help));
    }

    fn head(&mut self, name: &str) {
        let definition = self.definition;
        if definition.schema != SCHEMA {
            let what = format!("is {}, which this version does not know", definition.schema);
            self.tell("schema", &what, &format!("write `schema = {SCHEMA}`, or update Outpost"));
        }
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if definition.id.is_empty() || !definition.id.chars().all(is_plain) {
            self.tell("id", "holds more than small letters, digits and `-`", "give it a plain name");
        } else if definition.id != name {
            let what = format!("is `{}`, and the file is named `{name}.toml`", definition.id);
            self.tell("id", &what, "give both the same name");
        }
        if definition.detect.bin.is_empty() {
            self.tell("detect.bin", "is empty", "name the program");
        }
        if definition.kill.grace_secs > 120 {
            self.tell("kill.grace_secs", "is longer than two minutes", "write 120 or less");
        }
        if let Some(version) = &definition.detect.version
            && version.regex.0.captures_len() < 2
        {
            self.tell("detect.version.regex", "has no group", "put the version in parentheses");
        }
    }

    /// Variables and files.
    fn texts(&mut self) {
        let definition = self.definition;
        for (table, env) in [("env", &definition.env), ("env_if_root", &definition.env_if_root)] {
            for (name, value) in env {
                self.variable(&format!("{table}.{name}"), name);
                self.text(&format!("{table}.{name}"), value);
            }
        }
        for name in &definition.env_pass {
            self.variable("env_pass", name);
        }
        for file in &definition.files {
            let key = format!("file.{}", file.path);
            self.within(&key, &file.path);
            self.text(&key, &file.content);
        }
        if let Some(auth) = &definition.auth {
            self.variable("auth.secret.env", &auth.secret.env);
            if let Some(name) = &auth.base_url.env {
                self.variable("auth.base_url.env", name);
            }
            // A model on this machine needs no lock on its door.
            let is_here = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
            let upstream = &auth.base_url.upstream;
            if !upstream.starts_with("https://") && !is_here.iter().any(|here| upstream.starts_with(here)) {
                self.tell(
                    "auth.base_url.upstream",
                    "is no https:// address",
                    "name the provider's address, or a port of this machine such as `http://127.0.0.1:8080`",
                );
            }
            for path in &auth.login {
                self.within("auth.login", path);
            }
            if auth.base_url.env.is_none() && auth.base_url.arg.is_empty() {
                self.tell("auth.base_url", "has neither `env` nor `arg`", "say how the agent is told the address");
            }
        }
        if let Some(file) = &definition.output.events_file {
            self.text("output.events_file", file);
        }
    }

    fn within(&mut self, key: &str, path: &str) {
        let is_part = |part| matches!(part, std::path::Component::Normal(_));
        if path.is_empty() || !std::path::Path::new(path).components().all(is_part) {
            self.tell(key, "leaves its folder", "write a relative path without `..`");
        }
    }

    fn variable(&mut self, key: &str, name: &str) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            self.tell(key, &format!("`{name}` is no name of a variable"), "use letters, digits and `_`");
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        for name in placeholders(text) {
            if !KNOWN.contains(&name) {
                self.tell(key, &format!("`{{{name}}}` is no placeholder"), &format!("use one of {}", KNOWN.join(", ")));
            }
        }
    }

    fn commands(&mut self) {
        let definition = self.definition;
        let mut lists: Vec<(String, &[Item], bool)> = vec![
            ("approval.full".into(), &definition.approval.full, false),
            ("approval.edits".into(), &definition.approval.edits, false),
            ("approval.readonly".into(), &definition.approval.readonly, false),
            ("trust.own".into(), &definition.trust.own, false),
            ("trust.untrusted".into(), &definition.trust.untrusted, false),
            ("session.start".into(), &definition.session.start, false),
            ("session.resume".into(), definition.session.resume.as_deref().unwrap_or_default(), false),
            ("session.resume_argv".into(), definition.session.resume_argv.as_deref().unwrap_or_default(), true),
            ("prompt.arg".into(), &definition.prompt.arg, false),
            ("run.argv".into(), &definition.run.argv, true),
        ];
        if let Some(auth) = &definition.auth {
            lists.push(("auth.base_url.arg".into(), &auth.base_url.arg, false));
        }
        for (name, list) in &definition.vars {
            lists.push((format!("vars.{name}"), list, false));
        }
        for (key, list, is_whole) in lists {
            for item in list {
                match item {
                    Item::Word(word) => self.word(&key, word, is_whole),
                    Item::Group(words) => words.iter().for_each(|word| self.word(&key, word, false)),
                }
            }
            let starts = matches!(list.first(), Some(Item::Word(word)) if word == "{bin}");
            if is_whole && !list.is_empty() && !starts {
                self.tell(&key, "does not begin with `{bin}`", "write `{bin}` first: it is what `detect.bin` found");
            }
        }
        if definition.run.argv.is_empty() {
            self.tell("run.argv", "is empty", "write the command, `{bin}` first");
        }
        let whole =
            |list: &[Item], name: &str| list.iter().any(|item| matches!(item, Item::Word(word) if word == name));
        if definition.prompt.via == Via::File && !whole(&definition.run.argv, "{*prompt}") {
            self.tell(
                "run.argv",
                "does not pass the prompt",
                "write `{*prompt}` where the words of `prompt.arg` belong",
            );
        }
        if !whole(&definition.run.argv, "{*approval}") {
            self.tell("run.argv", "does not say what is approved", "write `{*approval}` where those words belong");
        }
    }

    fn word(&mut self, key: &str, word: &str, may_splice: bool) {
        if let Some(name) = splice(word) {
            let is_known = SPLICES.contains(&name) || self.definition.vars.contains_key(name);
            if !may_splice {
                self.tell(key, &format!("`{word}` stands in a list that is spliced itself"), "write its words here");
            } else if !is_known {
                let help = format!("use one of {}, or a list of `[vars]`", SPLICES.join(", "));
                self.tell(key, &format!("`{word}` names no list"), &help);
            }
            return;
        }
        self.text(key, word);
    }

    fn session(&mut self) {
        let (session, output) = (&self.definition.session, &self.definition.output);
        let tells_id = output.session.is_some() || output.result.session.is_some();
        if session.id == SessionId::Capture && !tells_id {
            self.tell("session.id", "is `capture`, and no output tells the id", "write `[output.session]`");
        }
        if session.id != SessionId::None && session.resume.is_none() && session.resume_argv.is_none() {
            let help = "write `resume` or `resume_argv`, or `id = \"none\"`";
            self.tell("session", "says not how to resume", help);
        }
        if session.resume.is_some() && session.resume_argv.is_some() {
            self.tell("session", "has both `resume` and `resume_argv`", "keep one");
        }
    }

    fn output(&mut self) {
        let output = &self.definition.output;
        let result = &output.result;
        let mut pointers: Vec<(&str, &str)> = Vec::new();
        let mut matches: Vec<(&str, &Matches)> =
            vec![("output.result.match", &result.matches), ("output.result.ok", &result.ok)];
        for (key, pointer) in [
            ("output.result.text", &result.text),
            ("output.result.session", &result.session),
            ("output.result.turns", &result.turns),
            ("output.result.cost_usd", &result.cost_usd),
            ("output.result.status", &result.status),
            ("output.result.http_status", &result.http_status),
            ("output.result.error", &result.error),
        ] {
            pointers.extend(pointer.as_deref().map(|pointer| (key, pointer)));
        }
        if let Some(usage) = &result.usage {
            pointers.extend([("output.result.usage", usage.input.as_str()), ("output.result.usage", &usage.output)]);
            pointers.extend(usage.cached.as_deref().map(|pointer| ("output.result.usage", pointer)));
        }
        if let Some(rule) = &output.failure {
            matches.push(("output.failure.match", &rule.matches));
            pointers.push(("output.failure.text", &rule.text));
        }
        if let Some(rule) = &output.text {
            matches.push(("output.text.match", &rule.matches));
            pointers.push(("output.text.text", &rule.text));
        }
        if let Some(rule) = &output.session {
            matches.push(("output.session.match", &rule.matches));
            pointers.push(("output.session.session", &rule.session));
        }
        for rule in &output.events {
            matches.push(("output.event.match", &rule.matches));
            pointers.extend(rule.holds.keys().map(|pointer| ("output.event.where", pointer.as_str())));
            for pointer in [&rule.each, &rule.id, &rule.name, &rule.text, &rule.detail] {
                pointers.extend(pointer.as_deref().map(|pointer| ("output.event", pointer)));
            }
        }
        for rule in &self.definition.classify.events {
            matches.push(("classify.events.match", &rule.matches));
        }
        pointers.extend(matches.iter().flat_map(|(key, all)| all.keys().map(move |pointer| (*key, pointer.as_str()))));
        let empty: Vec<&str> = matches
            .iter()
            .filter(|(key, all)| all.is_empty() && *key != "output.result.ok")
            .map(|(key, _)| *key)
            .collect();
        let wrong: Vec<(&str, &str)> = pointers.into_iter().filter(|(_, pointer)| !pointer.starts_with('/')).collect();
        for key in empty {
            self.tell(key, "is empty and would match everything", "say what tells this event from others");
        }
        for (key, pointer) in wrong {
            self.tell(key, &format!("`{pointer}` is no JSON pointer"), "write one that begins with `/`");
        }
    }

    fn classes(&mut self) {
        let classify = &self.definition.classify;
        let wrong: Vec<(&str, String)> = [("classify.http", &classify.http), ("classify.exit", &classify.exit)]
            .into_iter()
            .flat_map(|(key, table)| table.keys().map(move |code| (key, code)))
            .filter(|(_, code)| code.parse::<u16>().is_err())
            .map(|(key, code)| (key, code.clone()))
            .collect();
        for (key, code) in wrong {
            self.tell(key, &format!("`{code}` is no number"), "write a status");
        }
    }
}
