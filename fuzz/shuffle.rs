//! Changes the events of a run as a faulty writer might: their order, their words, their numbers.
//!
//! The same seed makes the same change. Knows that events are lines of JSON, and words that stand in them.

use crate::dice::Dice;

const WORDS: &[&str] = &[
    "\"a\"",
    "\"b\"",
    "\"c\"",
    "\"d\"",
    "\"e\"",
    "\"f\"",
    "\"g\"",
    "\"h\"",
    "\"run\"",
    "\"verify:smoke\"",
    "\"before\"",
    "\"after\"",
    "\"done\"",
    "\"failed\"",
    "\"rolled_back\"",
    "\"rejected\"",
    "\"cancelled\"",
    "true",
    "false",
    "null",
    "0",
    "1",
    "2",
    "4294967295",
    "18446744073709551615",
    "-1",
    "[]",
    "{}",
    "\"\"",
    "\"\\u001b[31m\"",
    "\"\\u0000\"",
];

/// Lines that may turn up anywhere.
const LINES: &[&str] = &[
    r#""event":"runner_took_over","pid":7,"host":"h","by":"eve""#,
    r#""event":"draining","reason":"SIGINT","ends":true"#,
    r#""event":"stopping","reason":"SIGTERM""#,
    r#""event":"stage_started","task":"c","attempt":1,"stage":"run""#,
    r#""event":"stage_ended","task":"a","attempt":1,"stage":"run","milliseconds":3"#,
    r#""event":"retry_scheduled","task":"b","attempt":2,"at":18446744073709551615"#,
    r#""event":"task_unknown","task":"b","attempt":1,"stage":"run""#,
    r#""event":"repeat_allowed","task":"b","by":"idempotent""#,
    r#""event":"task_completed","task":"c","how":"done""#,
    r#""event":"task_skipped","task":"h","reason":"so""#,
    r#""event":"condition_held","task":"d""#,
    r#""event":"gate_opened","task":"c","time":"before","digest":"shown","deadline":18446744073709551615"#,
    r#""event":"gate_expired","task":"c","consequence":"fail""#,
    r#""event":"fallback_called","task":"e","fallback":"f""#,
    r#""event":"checkpoint_kept","task":"g","attempt":1,"version":1,"digest":"x""#,
    r#""event":"rollback_ordered","by":"eve","tasks":["a","c"]"#,
    r#""event":"notice_failed","notice":"gate:c:1:0","channel":"0","reason":"no""#,
    r#""event":"cleaned_up","task":"a","action":"deleted","what":"p""#,
    r#""event":"cancel_requested","by":"eve""#,
    r#""event":"edit_accepted","by":"eve","digest":"sha256:0","again":["a"]"#,
    r#""event":"run_waiting","gates":["c"]"#,
    r#""event":"run_ended","state":"failed""#,
    r#""event":"run_ended","state":"done""#,
    r#""event":"halted","reason":"full""#,
];

/// Events that were changed in up to four places.
pub(crate) fn shuffle(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(lines.len());
        match dice.below(8) {
            0 if lines.len() > 1 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let to = dice.below(lines.len());
                lines.swap(at, to);
            }
            3 => {
                let (line, millisecond) = (LINES[dice.below(LINES.len())], dice.below(1000));
                let head = format!(r#"{{"v":1,"n":1,"t":"2026-11-21T12:00:0{}.{millisecond:03}Z""#, dice.below(10));
                lines.insert(at, format!("{head},{line}}}").into_bytes());
            }
            4 => lines.truncate(at + 1),
            _ => reword(&mut lines[at], &mut dice),
        }
    }
    lines.join(&b'\n')
}

/// Another value behind one of the colons.
fn reword(line: &mut Vec<u8>, dice: &mut Dice) {
    let colons: Vec<usize> = (1..line.len()).filter(|at| line[*at] == b':' && line[at - 1] == b'"').collect();
    if colons.is_empty() {
        return;
    }
    let start = colons[dice.below(colons.len())] + 1;
    let length = line[start..].iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(0);
    line.splice(start..start + length, WORDS[dice.below(WORDS.len())].bytes());
}
