//! What an idle installation costs, and `docs/COST.md`, which says it.
//!
//! `BLESS=1 cargo test -p outpost-infrastructure` writes the page's tables anew.

use std::fs;

use outpost_infrastructure::bill::{LIMIT, idle, module, total};
use outpost_infrastructure::page;
use outpost_infrastructure::plan::Plan;
use outpost_infrastructure::prices::Prices;

use crate::root;

#[test]
fn prices_have_a_day_and_are_all_used() {
    let prices = Prices::known().expect("prices");
    let date: Vec<u32> = prices.date.split('-').map(|part| part.parse().expect("a number")).collect();
    assert!(matches!(date[..], [2025..=2100, 1..=12, 1..=31]), "{}", prices.date);
    let source = ["bill.rs", "usage.rs", "page.rs"]
        .map(|file| fs::read_to_string(root().join("infrastructure/proof/src").join(file)).expect("a source"))
        .concat();
    for name in prices.names().filter(|name| !name.ends_with("x86_64") && !name.starts_with("container_")) {
        assert!(source.contains(&format!("\"{name}\"")), "nothing asks for the price `{name}`");
    }
}

/// An installation with the defaults stays below the limit, and the page says what it costs. `full` has everything on.
pub(crate) fn compare(plain: &Plan, full: &Plan) {
    let prices = Prices::known().expect("prices");
    let lines = idle(plain, &prices).expect("a bill");
    let dollars = total(&lines);
    assert!(dollars < LIMIT, "an idle installation costs ${dollars:.2} a month: {lines:#?}");
    let of = |name: &str| module(full, name, &prices).expect("a bill");
    let switches = [("enable_nat", of("vpc")), ("enable_alb", of("alb")), ("enable_efs", of("efs"))];
    for (name, lines) in &switches[..2] {
        assert!(dollars + total(lines) > LIMIT, "`{name}` could be on by default: {lines:?}");
    }
    let path = root().join("docs/COST.md");
    let old = fs::read_to_string(&path).expect("docs/COST.md");
    let parts = [
        ("prices", format!("Prices of {} in {}: {}.\n", prices.date, prices.region, prices.source)),
        ("idle", page::bill(&lines)),
        ("switches", page::switches(&switches)),
        ("secrets", page::secrets(dollars, &prices).expect("a table")),
        ("jobs", page::jobs(dollars, &prices).expect("a table")),
    ];
    let new = parts.iter().fold(old.clone(), |text, (name, part)| page::put(&text, name, part).expect("a page"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, new).expect("the page can be written");
    } else {
        assert!(old == new, "docs/COST.md is stale: `BLESS=1 cargo test -p outpost-infrastructure`");
    }
}
