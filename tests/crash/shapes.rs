//! Small documents to be killed, and what is to be true of them whatever happened.
//!
//! Every task writes `begin`, works a little and writes `done`. What is idempotent looks first whether it is
//! done; what is not has a verification that tells, and would be seen in the ledger twice if it were repeated.
//! Holders of the lock also hold one of the kernel's own, and write `overlap` when that is taken.

/// A task: its id, what it needs, its retries, and the rest of its block.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) tasks: Vec<Task>,
}

pub(crate) struct Task {
    pub(crate) id: &'static str,
    pub(crate) needs: Vec<&'static str>,
    pub(crate) retries: usize,
    rest: String,
}

/// What an idempotent task runs.
const REPEATABLE: &str = r#"note begin; sleep 0.01; grep -q "^$OUTPOST_TASK [0-9]* run done" "$LEDGER" || note done"#;
/// What others run, and what shows that they did.
const ONCE: &str = r#"note begin; sleep 0.01; note done"#;
const SHOWN: &str = r#"echo looking; sleep 0.02; grep -q "^$OUTPOST_TASK [0-9]* run done" "$LEDGER""#;
/// Takes a lock of the kernel's for as long as anything of the task lives.
const ALONE: &str = "exec 9>>guard; flock -n 9 || note overlap; ";

fn task(id: &'static str, needs: &[&'static str], run: &str, rest: &str) -> Task {
    Task { id, needs: needs.to_vec(), retries: 0, rest: format!("run: |\n  {run}\n{rest}") }
}

fn repeatable(id: &'static str, needs: &[&'static str], rest: &str) -> Task {
    task(id, needs, REPEATABLE, &format!("idempotent: true\n{rest}"))
}

fn once(id: &'static str, needs: &[&'static str], rest: &str) -> Task {
    task(id, needs, ONCE, &format!("verification: {{smoke: {{command: {SHOWN:?}}}}}\n{rest}"))
}

pub(crate) fn chain() -> Shape {
    let tasks =
        vec![repeatable("a", &[], ""), once("b", &["a"], ""), repeatable("c", &["b"], ""), once("d", &["c"], "")];
    Shape { name: "chain", tasks }
}

pub(crate) fn fan_out() -> Shape {
    let locks = "resources: {locks: [one]}";
    let alone = |id, rest: &str| {
        let run = format!("{ALONE}{REPEATABLE}");
        task(id, &["first"], &run, &format!("idempotent: true\n{locks}\n{rest}"))
    };
    let shown = format!("verification: {{smoke: {{command: {SHOWN:?}}}}}\n{locks}");
    let tasks = vec![
        once("first", &[], ""),
        alone("left", ""),
        alone("middle", ""),
        task("right", &["first"], &format!("{ALONE}{ONCE}"), &shown),
        repeatable("free", &["first"], ""),
        repeatable("last", &["left", "middle", "right", "free"], ""),
    ];
    Shape { name: "fan-out", tasks }
}

pub(crate) fn retries() -> Shape {
    let fails = r#"note begin; [ "$OUTPOST_ATTEMPT" -ge 3 ] || exit 1; grep -q "^$OUTPOST_TASK [0-9]* run done" "$LEDGER" || note done"#;
    let rest = "idempotent: true\non_failure: {max_retries: 4, retry_delay: PT0.02S}";
    let flaky = Task { retries: 4, ..task("flaky", &["first"], fails, rest) };
    Shape { name: "retries", tasks: vec![once("first", &[], ""), flaky, once("last", &["flaky"], "")] }
}

pub(crate) fn gate(when: &str) -> Shape {
    let gate = format!("human_required: {{action: look, reason: so, when: {when}}}");
    let tasks = vec![
        repeatable("first", &[], ""),
        once("held", &["first"], &gate),
        repeatable("beside", &[], &gate),
        repeatable("last", &["held", "beside"], ""),
    ];
    Shape { name: if when == "before" { "gate before" } else { "gate after" }, tasks }
}

impl Shape {
    pub(crate) fn document(&self) -> String {
        let mut text =
            "# Shape\n\n```yaml\nexecution: {resource_locks: [{name: one, type: exclusive}]}\n```\n\n".to_owned();
        for Task { id, needs, rest, .. } in &self.tasks {
            let needs = needs.join(", ");
            text += &format!("```yaml\ntask_id: {id}\nname: {id}\ndependencies: [{needs}]\n{rest}\n```\n\n");
        }
        text
    }
}
