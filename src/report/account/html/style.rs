//! How the page looks, on screens wide and narrow, light and dark, and on paper.
//!
//! Text has a contrast of at least 4.5 to 1 with what it stands on, in both variants.

pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--bg:#f6f7f8;--paper:#fff;--sunk:#f1f3f5;--ink:#1a2027;--soft:#57606a;--line:#d5dae0;--link:#0a57b5;
--good:#17692e;--bad:#b3261e;--ask:#6a3ea6;--run:#0a57b5;--odd:#8a5200;--mute:#5c6670;
--good-t:#e3f4e7;--bad-t:#fde8e6;--ask-t:#f0e8fb;--run-t:#e2eefc;--odd-t:#fdf0d9;--mute-t:#eceff2}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--paper:#151b23;--sunk:#0f141b;--ink:#e6ebf1;--soft:#a4afbb;--line:#2f3843;--link:#79b8ff;
--good:#63d07f;--bad:#ff8f86;--ask:#cbabff;--run:#79b8ff;--odd:#f0b860;--mute:#a4afbb;
--good-t:#12301c;--bad-t:#431b1a;--ask-t:#2c2047;--run-t:#11294a;--odd-t:#3a2a0c;--mute-t:#222a33}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:3.2rem}
body{margin:0 auto;padding:0 1.25rem 3rem;max-width:80rem;background:var(--bg);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,pre:focus-visible,div:focus-visible,input:focus-visible+label{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
code,pre,.r-id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.875em}
h1{font-size:clamp(1.5rem,1.1rem + 1.8vw,2.2rem);line-height:1.2;margin:.4rem 0 .6rem;letter-spacing:-.015em}
h2{font-size:1.2rem;margin:0 0 .8rem;letter-spacing:-.005em}
h3{font-size:1rem;margin:0}
h4{font-size:.9rem;margin:1rem 0 .4rem}
h4 .r-soft{font-weight:400}
ul,ol,dl,dd,p{margin:0;padding:0}
.r-skip{position:absolute;left:-100rem}
.r-skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.4rem .8rem;z-index:9}
.r-hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.r-soft,.r-note{color:var(--soft)}
.r-note{font-size:.875rem;margin-top:.7rem}
.r-mark{font-family:'Segoe UI Symbol','Apple Symbols','DejaVu Sans',sans-serif;font-weight:700}
.r-complete{--c:var(--good);--t:var(--good-t)}
.r-failed{--c:var(--bad);--t:var(--bad-t)}
.r-asked{--c:var(--ask);--t:var(--ask-t)}
.r-running{--c:var(--run);--t:var(--run-t)}
.r-unknown{--c:var(--odd);--t:var(--odd-t)}
.r-waiting,.r-skipped,.r-left,.r-undone{--c:var(--mute);--t:var(--mute-t)}
.r-mark{color:var(--c,inherit)}
.r-state,.r-badge{color:var(--c);background:var(--t);border:1px solid color-mix(in srgb,var(--c) 35%,transparent);border-radius:1rem;font-weight:600;white-space:nowrap}
.r-state{display:inline-block;padding:.15rem .8rem}
.r-badge{display:inline-block;justify-self:start;padding:0 .55rem;font-size:.8rem;line-height:1.55}
.r-head{padding:1.6rem 0 .4rem}
.r-banner{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.2rem;margin-bottom:.9rem;font-size:.9rem}
.r-banner span,.r-facts dt,.r-of-task dt{color:var(--soft)}
.r-facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:.6rem 1.5rem;margin:.6rem 0 1rem}
.r-facts dt{font-size:.8rem}
.r-bar{display:block;border-radius:7px;margin:1rem 0 .45rem;background:var(--mute-t)}
.r-f-complete{fill:var(--good)}.r-f-skipped{fill:var(--soft);opacity:.55}.r-f-running{fill:var(--run)}.r-f-asked{fill:var(--ask)}
.r-f-unknown{fill:var(--odd)}.r-f-failed{fill:var(--bad)}.r-f-waiting{fill:transparent}.r-f-undone{fill:var(--soft)}
.r-legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.85rem;color:var(--soft);align-items:center}
.r-legend li{display:inline-flex;align-items:center;gap:.35rem}
.r-numbers{list-style:none;display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:1rem 0 .2rem;color:var(--soft)}
.r-numbers b{color:var(--ink);font-size:1.25rem;font-variant-numeric:tabular-nums}
.r-nav{position:sticky;top:0;z-index:5;background:var(--bg);border-bottom:1px solid var(--line);display:flex;gap:1.1rem;overflow-x:auto;padding:.55rem 0;margin-bottom:1.2rem;font-size:.9rem;white-space:nowrap}
.r-nav a{text-decoration:none}
.r-nav a:hover{text-decoration:underline}
.r-part{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.25rem 1.25rem;margin-bottom:1.1rem}
.r-card{border:1px solid var(--line);border-left:4px solid var(--c);border-radius:6px;padding:.75rem 1rem;margin-bottom:.75rem}
.r-edge-failed{--c:var(--bad)}.r-edge-unknown{--c:var(--odd)}.r-edge-asked{--c:var(--ask)}.r-edge-undone{--c:var(--mute)}
.r-why{margin:.35rem 0}
pre{margin:.35rem 0;padding:.55rem .75rem;border-radius:6px;background:var(--sunk);border:1px solid var(--line);white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.45}
.r-log{max-height:24rem;overflow:auto}
.r-code{border-left:3px solid var(--line)}
.r-err{color:var(--bad)}
.r-command{display:inline-block;background:var(--sunk);border:1px solid var(--line);border-radius:5px;padding:.12rem .5rem;user-select:all}
.r-time{position:relative;padding-top:22px;margin-top:.8rem;--who:20rem;--long:5.2rem}
.r-axis{position:absolute;top:0;left:var(--who);width:calc(100% - var(--who) - var(--long));height:100%;overflow:visible;pointer-events:none}
.r-axis line{stroke:var(--line);stroke-width:1}
.r-axis text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}
.r-cut{fill:var(--mute-t);opacity:.75}
.r-rows{list-style:none;position:relative}
.r-row{display:grid;grid-template-columns:var(--who) 1fr var(--long);align-items:center;min-height:27px}
.r-row:hover{background:color-mix(in srgb,var(--run-t) 45%,transparent)}
.r-who{white-space:nowrap;overflow:hidden;text-overflow:ellipsis;padding-right:.8rem;font-size:.875rem}
.r-name{color:var(--soft)}
.r-lane{display:block;width:100%;height:20px;overflow:visible}
.r-took{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;font-size:.875rem}
.r-g-run{fill:var(--run)}
.r-g-setup{fill:var(--mute)}
.r-g-verify{fill:var(--good)}
.r-g-chore{fill:none;stroke:var(--run);stroke-width:1.6}
.r-g-undo{fill:var(--mute-t);stroke:var(--mute);stroke-width:1.6}
.r-g-failed{fill:var(--bad-t);stroke:var(--bad)}
.r-g-lost{fill:var(--odd-t);stroke:var(--odd);stroke-dasharray:3 2}
.r-g-cross{stroke:var(--bad);stroke-width:2.6;stroke-linecap:round;fill:none}
.r-g-queue{stroke:var(--mute);stroke-width:2;stroke-dasharray:1 4;stroke-linecap:round}
.r-g-retry{stroke:var(--odd);stroke-width:2;stroke-dasharray:5 3}
.r-g-gate{stroke:var(--ask);stroke-width:5;stroke-dasharray:2 2}
.r-drawing,.r-wide{overflow:auto;max-width:100%}
.r-drawing{max-height:46rem;border-radius:6px}
.r-drawing svg{display:block;margin:0 auto}
.r-drawing .page{fill:none}
.r-filter{display:flex;flex-wrap:wrap;gap:.35rem;margin-bottom:.9rem}
.r-filter input{position:absolute;opacity:0;width:1px;height:1px}
.r-filter label{border:1px solid var(--line);border-radius:1rem;padding:.1rem .75rem;font-size:.875rem;cursor:pointer;background:var(--paper)}
.r-filter input:checked+label{background:var(--ink);color:var(--paper);border-color:var(--ink)}
#tasks:has(#show-failed:checked) .r-task:not(.r-is-failed),#tasks:has(#show-unknown:checked) .r-task:not(.r-is-unknown),
#tasks:has(#show-asked:checked) .r-task:not(.r-is-asked),#tasks:has(#show-running:checked) .r-task:not(.r-is-running),
#tasks:has(#show-waiting:checked) .r-task:not(.r-is-waiting),#tasks:has(#show-skipped:checked) .r-task:not(.r-is-skipped),
#tasks:has(#show-undone:checked) .r-task:not(.r-is-undone),#tasks:has(#show-complete:checked) .r-task:not(.r-is-complete),#tasks:has(#show-left:checked) .r-task:not(.r-is-left),
#tasks:has(#show-again:checked) .r-task:not(.r-again),#tasks:not(:has(#show-all:checked)) .r-tier{display:none}
.r-heads,.r-task>summary{display:grid;grid-template-columns:10.5rem 1fr 7rem 6rem;gap:.2rem .9rem;align-items:baseline;padding:.42rem .6rem .42rem 1.6rem}
.r-heads{font-size:.8rem;color:var(--soft);border-bottom:1px solid var(--line)}
.r-heads :nth-child(n+3){text-align:right}
.r-tier{font-size:.85rem;color:var(--soft);padding:.9rem .6rem .3rem}
.r-task{border-bottom:1px solid var(--line);content-visibility:auto;contain-intrinsic-size:auto 2.4rem}
.r-task>summary{cursor:pointer;list-style:none;position:relative}
.r-task>summary::-webkit-details-marker{display:none}
.r-task>summary::before{content:'▸';position:absolute;left:.5rem;color:var(--soft)}
.r-task[open]>summary::before{content:'▾'}
.r-task>summary:hover{background:var(--sunk)}
.r-task:has(>.r-body:target)>summary{background:var(--run-t)}
.r-body{scroll-margin-top:6rem}
.r-id{font-weight:700;margin-right:.35rem}
.r-many{text-align:right;color:var(--soft);font-size:.875rem}
.r-body{padding:.2rem .6rem 1rem 1.6rem}
.r-of-task{margin:.4rem 0;font-size:.9rem}
.r-of-task>div{display:grid;grid-template-columns:7.5rem 1fr;gap:.6rem;padding:.1rem 0}
.r-of-task ul{list-style:none}
.r-stages{list-style:none;border-left:2px solid var(--line);padding-left:.9rem}
.r-stages>li{margin:.45rem 0}
.r-table,.r-plain{border-collapse:collapse;width:100%;font-size:.9rem}
.r-table{margin-top:.4rem}
.r-plain{width:auto}
.r-plain caption{text-align:left;color:var(--soft);padding-bottom:.3rem}
th{text-align:left;font-weight:600;color:var(--soft);font-size:.8rem}
th,td{padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td code{white-space:pre-wrap;overflow-wrap:anywhere}
td{overflow-wrap:break-word}
td>a{white-space:nowrap}
.r-table time{white-space:nowrap}
.r-vision{max-width:48rem;margin-bottom:1rem;font-size:1.05rem}
.r-happened ol{list-style:none;font-size:.875rem;margin-top:.6rem}
.r-happened li{padding:.12rem 0}
.r-happened time{color:var(--soft);font-variant-numeric:tabular-nums;margin-right:.5rem}
summary{cursor:pointer}
.r-part ul:not([class]){padding-left:1.2rem}
.r-of-task ul:not([class]){padding-left:0}
.r-foot{color:var(--soft);font-size:.85rem;padding-top:.4rem}
@media (max-width:46rem){
body{padding:0 .75rem 2rem}
.r-part{padding:.9rem .85rem 1rem}
.r-head .r-facts{grid-template-columns:1fr 1fr;gap:.5rem .8rem}
.r-head .r-facts dd{font-size:.9rem}
.r-time{--who:0rem;--long:0rem}
.r-row{grid-template-columns:1fr auto;padding:.3rem 0 .15rem}
.r-lane{grid-row:2;grid-column:1/-1}
.r-odd{display:none}
.r-heads{display:none}
.r-task>summary{grid-template-columns:1fr auto;padding-left:1.3rem;padding-right:.2rem}
.r-task>summary::before{left:.2rem}
.r-what{grid-column:1/-1;grid-row:2}
.r-many{display:none}
.r-body{padding-left:.3rem;padding-right:0}
.r-of-task>div{grid-template-columns:1fr;gap:0}
.r-table thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.r-table,.r-table tbody,.r-table tr,.r-table td{display:block}
.r-table tr{border-bottom:1px solid var(--line);padding:.45rem 0}
.r-table td{border:0;padding:.08rem 0;display:grid;grid-template-columns:7rem 1fr;gap:.5rem}
.r-table td:empty{display:none}
.r-table td::before{content:attr(data-of);color:var(--soft);font-size:.8rem}
}
@media print{
:root{color-scheme:light}
body{max-width:none;padding:0;font-size:10pt;background:#fff}
.r-nav,.r-filter,.r-skip{display:none}
.r-part{border:0;border-top:1px solid var(--line);border-radius:0;padding:.8rem 0}
.r-task,.r-card,.r-row,tr{break-inside:avoid}
.r-task{content-visibility:visible}
.r-log,.r-drawing{max-height:none;overflow:visible}
.r-drawing svg{max-width:100%;height:auto}
details::details-content{content-visibility:visible;block-size:auto}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
";

#[cfg(test)]
mod tests {
    use super::STYLE;

    /// The luminance of `#rgb` or `#rrggbb`.
    fn luminance(colour: &str) -> f64 {
        let hex = colour.trim_start_matches('#');
        let wide: String = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&wide[at..at + 2], 16).expect("a colour")) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    #[test]
    fn text_stands_out_from_what_it_stands_on_in_light_and_dark() {
        for variant in STYLE.split(":root{").skip(1).take(2) {
            let rules = variant.split('}').next().expect("rules");
            let colour = |name: &str| {
                let rule = rules.split([';', '\n']).find_map(|rule| rule.strip_prefix(name)?.strip_prefix(':'));
                luminance(rule.unwrap_or_else(|| panic!("no {name} in {rules}")))
            };
            let contrast = |one: &str, other: &str| {
                let (one, other) = (colour(one), colour(other));
                (one.max(other) + 0.05) / (one.min(other) + 0.05)
            };
            for word in ["--good", "--bad", "--ask", "--run", "--odd", "--mute"] {
                let tint = format!("{word}-t");
                assert!(contrast(word, &tint) >= 4.5, "{word} on {tint}: {}", contrast(word, &tint));
            }
            for text in ["--ink", "--soft", "--link", "--good", "--bad", "--ask", "--run", "--odd", "--mute"] {
                for ground in ["--bg", "--paper", "--sunk"] {
                    assert!(contrast(text, ground) >= 4.5, "{text} on {ground}: {}", contrast(text, ground));
                }
            }
        }
    }
}
