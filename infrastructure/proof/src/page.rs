//! `docs/COST.md`, between its marks: tables from plans and prices. What stands around them is written by hand.

use std::fmt::Write as _;

use crate::bill::{self, Line};
use crate::prices::Prices;
use crate::usage::{self, USUAL};

/// The seed's table, which ours stands beside: part, idle, 100 and 1,000 jobs a day.
const SEED: &[(&str, f64, f64, f64)] = &[
    ("API Gateway", 0.0, 1.0, 5.0),
    ("Lambda", 0.0, 2.0, 10.0),
    ("DynamoDB", 1.0, 5.0, 25.0),
    ("SQS", 0.0, 0.5, 2.0),
    ("ECS Fargate", 0.0, 30.0, 150.0),
    ("Secrets Manager", 1.0, 2.0, 5.0),
    ("S3", 1.0, 3.0, 15.0),
    ("CloudWatch", 2.0, 5.0, 20.0),
];

/// What an idle month costs, line by line.
#[must_use]
pub fn bill(lines: &[Line]) -> String {
    let mut text = "| part | what | a month |\n|---|---|---|\n".to_owned();
    for line in lines {
        let _ = writeln!(text, "| {} | {} | ${:.2} |", line.part, line.why, line.dollars);
    }
    let _ = writeln!(text, "| **total** | | **${:.2}** |", bill::total(lines));
    text
}

/// What is off, and what each adds: the switch, and its lines.
#[must_use]
pub fn switches(with: &[(&str, Vec<Line>)]) -> String {
    let mut text = "| switch | what | a month |\n|---|---|---|\n".to_owned();
    for (name, lines) in with {
        for line in lines.iter().filter(|line| line.dollars >= 0.01) {
            let _ = writeln!(text, "| `{name}` | {}: {} | ${:.2} |", line.part, line.why, line.dollars);
        }
        let _ = writeln!(text, "| | **together** | **${:.2}** |", bill::total(lines));
    }
    text
}

/// What tenants' secrets cost, by how many each keeps.
pub fn secrets(idle: f64, prices: &Prices) -> Result<String, String> {
    let each = prices.of("secret_month")?;
    let mut text = "| tenants | `ssm` | `bundle` | `per_key` |\n|---|---|---|---|\n".to_owned();
    let parameter = prices.of("parameter_month")?;
    for tenants in [1, 5, 10, 30, 100] {
        let of = |each: f64| idle + f64::from(tenants) * each;
        let _ =
            writeln!(text, "| {tenants} | ${:.2} | ${:.2} | ${:.2} |", of(3.0 * parameter), of(each), of(3.0 * each));
    }
    let most = |secrets: f64| ((bill::LIMIT - idle) / (secrets * each)).floor();
    let _ = writeln!(
        text,
        "\nBelow ${:.2} that is {} tenants with `bundle`, {} with `per_key`, and any number with `ssm`.",
        bill::LIMIT,
        most(1.0),
        most(3.0)
    );
    Ok(text)
}

/// Ours beside the seed's, for 100 and 1,000 jobs a day.
pub fn jobs(idle: f64, prices: &Prices) -> Result<String, String> {
    let (hundred, thousand) = (usage::month(&USUAL, 100.0, prices)?, usage::month(&USUAL, 1000.0, prices)?);
    let mut text =
        "| part | 100 a day | the seed says | 1,000 a day | the seed says |\n|---|---|---|---|---|\n".to_owned();
    let of =
        |lines: &[(&str, f64)], part: &str| lines.iter().filter(|line| line.0 == part).map(|line| line.1).sum::<f64>();
    let mut sums = [0.0; 4];
    for (part, _, few, many) in SEED {
        let row = [of(&hundred, part), *few, of(&thousand, part), *many];
        sums.iter_mut().zip(row).for_each(|(sum, dollars)| *sum += dollars);
        let _ = writeln!(text, "| {part} | ${:.2} | ${few:.2} | ${:.2} | ${many:.2} |", row[0], row[2]);
    }
    let idle_of_seed: f64 = SEED.iter().map(|row| row.1).sum();
    let _ = writeln!(text, "| what is there anyway | ${idle:.2} | in the lines | ${idle:.2} | in the lines |");
    let _ = writeln!(
        text,
        "| **total** | **${:.2}** | **${:.2}** | **${:.2}** | **${:.2}** |",
        sums[0] + idle,
        sums[1],
        sums[2] + idle,
        sums[3]
    );
    let _ = writeln!(text, "\nIdle the seed says ${idle_of_seed:.2}.");
    Ok(text)
}

/// The page with a part of it put anew: what stands between `<!-- NAME -->` and `<!-- end -->`.
pub fn put(page: &str, name: &str, text: &str) -> Result<String, String> {
    let (opening, closing) = (format!("<!-- {name} -->\n"), "<!-- end -->");
    let start = page.find(&opening).ok_or_else(|| format!("the page has no `{}`", opening.trim()))? + opening.len();
    let end = page[start..].find(closing).ok_or_else(|| format!("`{name}` has no `{closing}`"))? + start;
    Ok(format!("{}{text}{}", &page[..start], &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_page_is_put_anew_and_the_rest_stays() {
        let page = "a\n<!-- x -->\nold\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n";
        let put_once = put(page, "x", "new\n").expect("a page");
        assert_eq!(put_once, page.replace("old", "new"));
        assert_eq!(put(&put_once, "x", "new\n"), Ok(put_once.clone()));
        assert!(put(page, "z", "").is_err());
    }
}
