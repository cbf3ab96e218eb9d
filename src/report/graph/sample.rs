//! Pictures for the tests of this directory.
//!
//! Guarantees the same picture for the same arguments. Knows nothing of real blueprints.

use super::picture::{Arrow, ArrowKind, Gate, NodeBox, Picture, Status, TierBox};

/// A task with nothing special about it.
pub(super) fn plain_node(id: &str, tier: usize) -> NodeBox {
    NodeBox {
        id: id.to_owned(),
        name: format!("Name of {id}"),
        tier,
        parent: None,
        executor: "shell".to_owned(),
        gate: None,
        locks: Vec::new(),
        status: Status::NotStarted,
        critical: false,
    }
}

/// `n` tasks in one tier, with an order arrow for every pair.
pub(super) fn plain_picture(n: usize, pairs: &[(usize, usize)]) -> Picture {
    Picture {
        title: "Sample".to_owned(),
        tiers: vec![TierBox { number: Some(0), title: "Only tier".to_owned() }],
        nodes: (0..n).map(|at| plain_node(&format!("T0.{at}"), 0)).collect(),
        arrows: pairs.iter().map(|&(from, to)| Arrow { from, to, kind: ArrowKind::Order, label: None }).collect(),
        locks: Vec::new(),
        link: None,
    }
}

/// Pairs from a small linear congruential generator: random enough, the same everywhere.
pub(super) fn random_pairs(seed: u64, n: usize, count: usize) -> Vec<(usize, usize)> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % n
    };
    (0..count).map(|_| (draw(), draw())).collect()
}

/// Tiers, parents with children (also nested ones), gates, locks, cycles: a bit of everything.
pub(super) fn mixed_picture(seed: u64, n: usize) -> Picture {
    let mut picture = plain_picture(n, &random_pairs(seed, n, n * 3 / 2));
    picture.tiers = (0..4).map(|t| TierBox { number: Some(t), title: format!("Tier <{t}> & \"co\"") }).collect();
    picture.locks = vec!["terraform_state".to_owned(), "ecr & co".to_owned()];
    for at in 0..n {
        let node = &mut picture.nodes[at];
        node.tier = at * 4 / n;
        node.parent = match at % 7 {
            1..=4 => Some(at - at % 7),
            5 => Some(at - 1),
            _ => None,
        };
        if at % 5 == 0 {
            node.gate = Some(Gate { action: "approve the plan".to_owned(), after: at % 2 == 0 });
        }
        if at % 3 == 0 {
            node.locks = vec![(at % 2, at % 4 == 0), (99, true)];
        }
        node.critical = at % 6 == 0;
        if let Some(parent) = node.parent {
            picture.arrows.push(Arrow { from: at, to: parent, kind: ArrowKind::Implied, label: None });
        }
    }
    for arrow in picture.arrows.iter_mut().step_by(4) {
        arrow.kind = ArrowKind::Data;
        arrow.label = Some("port_a, port_b".to_owned());
    }
    picture
}

/// A picture with random parents (also rings and strangers), tiers and arrows, some pointing
/// nowhere.
pub(super) fn broken_picture(seed: u64, n: usize) -> Picture {
    let mut picture = plain_picture(n, &random_pairs(seed, n + 3, n * 2));
    let hints = random_pairs(seed + 1_000, n + 2, n);
    for (node, (parent, tier)) in picture.nodes.iter_mut().zip(hints) {
        node.parent = (parent % 3 != 0).then_some(parent);
        node.tier = usize::from(tier % 5 == 0) * (1 + tier % 2);
    }
    picture
}
