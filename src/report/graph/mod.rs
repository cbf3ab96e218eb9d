//! Draws a blueprint's tasks and arrows: Mermaid, Graphviz, SVG and terminal text.
//!
//! Guarantees: every drawing accepts any `Picture`, also a broken one, is the same for the same
//! picture, and costs near-linear time in large pictures.
//!
//! Does not read blueprints and does not write files.

mod arrange;
mod ascii;
mod board;
mod caption;
mod dot;
mod escape;
mod layout;
mod measure;
mod mermaid;
mod nesting;
mod order;
mod page;
pub mod picture;
mod plaque;
mod reduction;
mod route;
#[cfg(test)]
mod sample;
mod sheet;
mod svg;
mod svg_arrow;
mod svg_legend;
mod svg_style;
mod svg_task;
mod text;
mod trace;
mod tracks;

pub use ascii::ascii;
pub use dot::dot;
pub(super) use escape::escape_xml;
pub use mermaid::mermaid;
pub use svg::svg;

#[cfg(test)]
mod tests {
    use super::sample::{broken_picture, mixed_picture};
    use super::{ascii, dot, mermaid, svg};

    #[test]
    fn broken_pictures_are_drawn_by_every_drawing() {
        for seed in 0..40 {
            let picture = broken_picture(seed, 30);
            let drawings = [mermaid(&picture), dot(&picture), svg(&picture), ascii(&picture, 80, true)];
            assert!(drawings.iter().all(|drawing| drawing.contains("T0.29")), "seed {seed}");
        }
    }

    #[test]
    fn twenty_thousand_mixed_tasks_are_drawn() {
        let picture = mixed_picture(1, 20_000);
        assert!(svg(&picture).matches("class=\"task ").count() == 20_000);
        assert!(ascii(&picture, 80, false).lines().count() > 20_000);
        assert!(mermaid(&picture).len() > 1_000_000 && dot(&picture).len() > 1_000_000);
    }
}
