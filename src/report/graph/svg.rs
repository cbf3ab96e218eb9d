//! The dependency graph as a self-contained SVG drawing.
//!
//! Guarantees: valid XML whatever the texts contain; the same text for the same picture; each
//! task is `<g id="task-ID" class="task ...">` with its full name as a tooltip; nothing is told
//! by colour alone.
//!
//! Does not decide where things stand: that is `layout`.

use std::fmt::Write;

use super::escape::escape_xml;
use super::layout::{Layout, count_filled_tiers, lay_out};
use super::measure::MARGIN;
use super::picture::Picture;
use super::svg_arrow::write_arrows;
use super::svg_legend::write_legend;
use super::svg_style::{STYLE, SYMBOLS};
use super::svg_task::{write_boxes, write_frame_titles, write_frames};
use super::text::cut_text;

/// Draws the picture as SVG.
pub fn svg(picture: &Picture) -> String {
    let layout = lay_out(picture);
    let mut body = String::new();
    write_bands(&mut body, &layout);
    write_frames(&mut body, picture, &layout);
    write_arrows(&mut body, picture, &layout);
    write_tier_titles(&mut body, picture, &layout);
    write_frame_titles(&mut body, picture, &layout);
    write_boxes(&mut body, picture, &layout);
    let height = write_legend(&mut body, picture, layout.width, layout.height + 6.0, layout.left_out);
    let width = layout.width;
    let summary = summarise(picture, &layout);
    let title = escape_xml(&picture.title);
    // Plain curves run across boxes' surroundings, so they are drawn fainter.
    let crowd = if layout.crowded { " class=\"crowd\"" } else { "" };
    let mut out = String::with_capacity(body.len() + 12_000);
    // Writing to a String cannot fail, so the results are dropped throughout.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\"{crowd} role=\"img\" aria-labelledby=\"title desc\">"
    );
    let _ = writeln!(out, "<title id=\"title\">{title}</title>");
    let _ = writeln!(out, "<desc id=\"desc\">{}</desc>", escape_xml(&summary));
    let _ = writeln!(out, "<style>{STYLE}</style>");
    out.push_str(SYMBOLS);
    let _ = writeln!(out, "<rect class=\"page\" width=\"100%\" height=\"100%\"/>");
    let heading = escape_xml(&cut_text(&picture.title, 19.0, width - 2.0 * MARGIN));
    let _ = writeln!(out, "<text class=\"heading\" x=\"{MARGIN}\" y=\"24\">{heading}</text>");
    let _ = writeln!(out, "<text class=\"note\" x=\"{MARGIN}\" y=\"41\">{}</text>", escape_xml(&summary));
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

fn summarise(picture: &Picture, layout: &Layout) -> String {
    let mut summary = format!(
        "{} tasks in {} tiers, {} arrows drawn",
        picture.nodes.len(),
        count_filled_tiers(&layout.nesting),
        layout.arrows.len()
    );
    if layout.left_out > 0 {
        let _ = write!(summary, ", {} more left out because other arrows imply them", layout.left_out);
    }
    summary.push('.');
    summary
}

fn write_bands(out: &mut String, layout: &Layout) {
    for &(top, bottom) in &layout.bands {
        let (width, height) = (layout.width - MARGIN, bottom - top);
        let left = MARGIN / 2.0;
        let _ = writeln!(
            out,
            "<rect class=\"band\" x=\"{left}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>"
        );
    }
}

/// Above the arrows, with a halo, because some arrow has to pass beside or behind a title.
fn write_tier_titles(out: &mut String, picture: &Picture, layout: &Layout) {
    let left = layout.first_column - 8.0;
    for (tier, &(top, _)) in layout.bands.iter().enumerate() {
        let room = layout.width - left - MARGIN;
        let title = cut_text(&layout.nesting.title_tier(picture, tier), 14.0, room);
        let baseline = top + 18.0;
        let _ = writeln!(out, "<text class=\"tier\" x=\"{left:.1}\" y=\"{baseline:.1}\">{}</text>", escape_xml(&title));
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::Picture;
    use super::super::sample::{mixed_picture, plain_picture};
    use super::svg;

    /// Every tag is closed by its own kind and nothing but known entities is written.
    fn check_markup(text: &str) {
        let mut open: Vec<&str> = Vec::new();
        for piece in text.split('<').skip(1) {
            let Some((tag, after)) = piece.split_once('>') else { panic!("a tag ends: {piece}") };
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or("");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
            for entity in after.split('&').skip(1).chain(tag.split('&').skip(1)) {
                let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
                assert!(known.iter().any(|k| entity.starts_with(k)), "{entity}");
            }
            assert!(!after.contains(|c: char| c.is_control() && c != '\n'));
        }
        assert!(open.is_empty());
    }

    #[test]
    fn markup_is_sound_whatever_the_names_are() {
        let mut picture = mixed_picture(4, 50);
        picture.title = "<svg onload='x'> & \u{0} ]]>".to_owned();
        picture.nodes[2].name = "</title></g><script>alert(1)</script> \"quoted\" 'too' & \u{7}".to_owned();
        picture.nodes[3].id = "T0\"><x y='z".to_owned();
        picture.locks[0] = "a&b<c>".to_owned();
        let text = svg(&picture);
        check_markup(&text);
        assert!(!text.contains("<script"));
    }

    #[test]
    fn tasks_are_elements_with_their_id() {
        let mut picture = plain_picture(4, &[(0, 1)]);
        picture.nodes[3].id = picture.nodes[0].id.clone();
        let text = svg(&picture);
        assert_eq!(text.matches("<g id=\"task-T0.0\" class=\"task ").count(), 1);
        assert_eq!(text.matches("<g id=\"task-T0.0~3\" class=\"task ").count(), 1);
        assert!(text.contains("role=\"img\""));
        assert!(text.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn same_picture_same_drawing() {
        assert_eq!(svg(&mixed_picture(5, 80)), svg(&mixed_picture(5, 80)));
    }

    #[test]
    fn an_empty_picture_is_a_drawing() {
        check_markup(&svg(&Picture::default()));
    }
}
