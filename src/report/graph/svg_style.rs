//! Colours, symbols and arrow heads of the SVG drawing.
//!
//! Guarantees: nothing is fetched from outside; text has a contrast of at least 4.5 to 1 with
//! every ground it may stand on, lines at least 3 to 1, in the light and the dark variant; no
//! two meanings differ by colour only.
//!
//! Does not know where anything stands.

/// The style sheet.
pub(super) const STYLE: &str = "
text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1f2328}
.page{fill:#fff}
.heading{font-size:19px;font-weight:700}
.note{font-size:12px;fill:#4d5761}
.band{fill:#f3f5f8;stroke:#d0d7de}
.tier{font-size:14px;font-weight:700;fill:#3d4752;paint-order:stroke;stroke:#f3f5f8;stroke-width:5px;stroke-linejoin:round}
.writing{pointer-events:none}
.writing .id,.writing .name{paint-order:stroke;stroke:#cfdae6;stroke-width:3px;stroke-linejoin:round}
.frame{fill:#e4eaf1;stroke:#8795a6}
.title{fill:#cfdae6}
.box{fill:#fff;stroke:#6e7a87}
.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:12.5px;font-weight:700}
.name{font-size:11.5px}
.executor{font-size:10px;fill:#4d5761;text-anchor:end;font-style:italic}
.badge{stroke-width:1}
.badge-text{font-size:10px}
.lock{fill:#f0eafc;stroke:#8a6fc9}
.lock.shared{stroke-dasharray:3 2}
.gate{fill:#ffe9dc;stroke:#c2571a}
.lock-icon{fill:#5b3aa6;stroke:#5b3aa6}
.gate-icon{fill:#b3400a;stroke:#b3400a}
.critical>.box,.critical>.frame{stroke:#a8321c;stroke-width:2.5}
.mark{fill:none;stroke:#57606a;stroke-width:1.6}
.mark.solid{fill:#57606a}
.complete>.box,.complete>.title{fill:#dff3e4}
.complete.writing>text.id,.complete.writing>text.name{stroke:#dff3e4}
.running>.box,.running>.title{fill:#dcedff}
.running.writing>text.id,.running.writing>text.name{stroke:#dcedff}
.checkpointed>.box,.checkpointed>.title{fill:#f3e9ff}
.checkpointed.writing>text.id,.checkpointed.writing>text.name{stroke:#f3e9ff}
.blocked>.box,.blocked>.title{fill:#fff3cc}
.blocked.writing>text.id,.blocked.writing>text.name{stroke:#fff3cc}
.failed>.box,.failed>.title{fill:#ffe3e0}
.failed.writing>text.id,.failed.writing>text.name{stroke:#ffe3e0}
.asked>.box,.asked>.title{fill:#f1e7fd}
.asked.writing>text.id,.asked.writing>text.name{stroke:#f1e7fd}
.undone>.box,.undone>.title{fill:#e3e9f0}
.undone.writing>text.id,.undone.writing>text.name{stroke:#e3e9f0}
.undone>.box{stroke-dasharray:8 3}
.unknown>.box,.unknown>.title{fill:#fdeecf}
.unknown.writing>text.id,.unknown.writing>text.name{stroke:#fdeecf}
.skipped>.box,.skipped>.title{fill:#e9ecef}
.skipped.writing>text.id,.skipped.writing>text.name{stroke:#e9ecef}
.skipped>.box{stroke-dasharray:4 3}
.arrow{fill:none;stroke:#57606a;stroke-width:1.4;stroke-linejoin:round}
.arrow.data{stroke:#0a5cc2;stroke-width:1.7}
.arrow.implied{stroke:#6a7480;stroke-dasharray:4 3}
.arrow.hot{stroke:#a8321c;stroke-width:3}
.arrow.cycle{stroke:#9c1f86;stroke-width:2.4;stroke-dasharray:1 4;stroke-linecap:round}
.head{fill:#57606a}
.head.data{fill:#0a5cc2}
.head.implied{fill:#6a7480}
.head.hot{fill:#a8321c}
.head.cycle{fill:#9c1f86}
.crowd .arrow{opacity:.6;stroke-width:1}
.task:hover>.box,.task:hover>.frame{stroke-width:3}
.arrow:hover{stroke-width:4}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.page{fill:#0d1117}
.note,.executor{fill:#a5b0bb}
.band{fill:#151b23;stroke:#343d48}
.tier{fill:#c3ccd6;stroke:#151b23}
.writing .id,.writing .name{stroke:#2d3a49}
.frame{fill:#1f2832;stroke:#67768a}
.title{fill:#2d3a49}
.box{fill:#10161e;stroke:#8d99a6}
.lock{fill:#2c2147;stroke:#a78be8}
.gate{fill:#43220f;stroke:#f08a4b}
.lock-icon{fill:#c9b5ff;stroke:#c9b5ff}
.gate-icon{fill:#ffab7a;stroke:#ffab7a}
.critical>.box,.critical>.frame{stroke:#ff8d75}
.mark{stroke:#b4bec9}
.mark.solid{fill:#b4bec9}
.complete>.box,.complete>.title{fill:#12361f}
.complete.writing>text.id,.complete.writing>text.name{stroke:#12361f}
.running>.box,.running>.title{fill:#0f2f52}
.running.writing>text.id,.running.writing>text.name{stroke:#0f2f52}
.checkpointed>.box,.checkpointed>.title{fill:#33204d}
.checkpointed.writing>text.id,.checkpointed.writing>text.name{stroke:#33204d}
.blocked>.box,.blocked>.title{fill:#3f330c}
.blocked.writing>text.id,.blocked.writing>text.name{stroke:#3f330c}
.failed>.box,.failed>.title{fill:#4b1a1a}
.failed.writing>text.id,.failed.writing>text.name{stroke:#4b1a1a}
.asked>.box,.asked>.title{fill:#33204d}
.asked.writing>text.id,.asked.writing>text.name{stroke:#33204d}
.undone>.box,.undone>.title{fill:#222c38}
.undone.writing>text.id,.undone.writing>text.name{stroke:#222c38}
.unknown>.box,.unknown>.title{fill:#40300b}
.unknown.writing>text.id,.unknown.writing>text.name{stroke:#40300b}
.skipped>.box,.skipped>.title{fill:#262c33}
.skipped.writing>text.id,.skipped.writing>text.name{stroke:#262c33}
.arrow{stroke:#a5b0bb}
.arrow.data{stroke:#6cb2ff}
.arrow.implied{stroke:#95a1ad}
.arrow.hot{stroke:#ff8d75}
.arrow.cycle{stroke:#f07fdc}
.head{fill:#a5b0bb}
.head.data{fill:#6cb2ff}
.head.implied{fill:#95a1ad}
.head.hot{fill:#ff8d75}
.head.cycle{fill:#f07fdc}
}
";

/// Symbols and arrow heads, referred to by the drawing.
pub(super) const SYMBOLS: &str = "<defs>
<g id=\"lock-exclusive\"><path class=\"lock-icon\" d=\"M1 5h8v6h-8z\"/><path class=\"lock-icon\" style=\"fill:none\" stroke-width=\"1.4\" d=\"M2.8 5v-1.6a2.2 2.2 0 0 1 4.4 0v1.6\"/></g>
<g id=\"lock-shared\"><path class=\"lock-icon\" style=\"fill:none\" stroke-width=\"1.3\" d=\"M1.5 5h7v5.5h-7zM2.8 5v-1.6a2.2 2.2 0 0 1 4.4 0\"/></g>
<g id=\"gate-sign\"><path class=\"gate-icon\" d=\"M3.2 .5h4.6l3 3v4.6l-3 3h-4.6l-3-3v-4.6z\"/><path stroke=\"#fff\" stroke-width=\"1.8\" d=\"M2.8 5.8h5.4\"/></g>
<g id=\"mark-waiting\"><circle class=\"mark\" cx=\"5\" cy=\"5\" r=\"4\"/></g>
<g id=\"mark-running\"><path class=\"mark solid\" d=\"M1.5 1l7.5 4-7.5 4z\"/></g>
<g id=\"mark-checkpointed\"><path class=\"mark\" d=\"M5 .5l4.5 4.5-4.5 4.5-4.5-4.5z\"/></g>
<g id=\"mark-complete\"><path class=\"mark\" style=\"stroke-width:2.4\" d=\"M.8 5.2l3 3.2 5.4-7\"/></g>
<g id=\"mark-blocked\"><path class=\"mark solid\" d=\"M1 1h8v8h-8z\"/></g>
<g id=\"mark-failed\"><path class=\"mark\" style=\"stroke-width:2.4\" d=\"M1 1l8 8M9 1l-8 8\"/></g>
<g id=\"mark-asked\"><circle class=\"mark\" cx=\"5\" cy=\"5\" r=\"4\"/><path class=\"mark solid\" d=\"M5 1a4 4 0 0 1 0 8z\"/></g>
<g id=\"mark-unknown\"><path class=\"mark\" d=\"M2 3a3 3 0 1 1 4.4 2.6q-1.4.7-1.4 1.6M5 9v.4\"/></g>
<g id=\"mark-undone\"><path class=\"mark\" d=\"M4 .8l-3 3 3 3M1 3.8h5a2.6 2.6 0 0 1 0 5.2h-3\"/></g>
<g id=\"mark-skipped\"><path class=\"mark\" d=\"M1 1l4 4-4 4M5 1l4 4-4 4\"/></g>
<marker id=\"head\" markerUnits=\"userSpaceOnUse\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8.5\" refY=\"4\" orient=\"auto\"><path class=\"head\" d=\"M0 0l9 4-9 4z\"/></marker>
<marker id=\"head-implied\" markerUnits=\"userSpaceOnUse\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7.5\" refY=\"4\" orient=\"auto\"><path class=\"head implied\" d=\"M0 .5l8 3.5-8 3.5z\"/></marker>
<marker id=\"head-data\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"9\" refX=\"9\" refY=\"4.5\" orient=\"auto\"><path class=\"head data\" d=\"M0 0l10 4.5-10 4.5 3-4.5z\"/></marker>
<marker id=\"dot-data\" markerUnits=\"userSpaceOnUse\" markerWidth=\"8\" markerHeight=\"8\" refX=\"3\" refY=\"4\"><circle class=\"head data\" cx=\"4\" cy=\"4\" r=\"3.2\"/></marker>
<marker id=\"dot-hot\" markerUnits=\"userSpaceOnUse\" markerWidth=\"9\" markerHeight=\"9\" refX=\"3.5\" refY=\"4.5\"><circle class=\"head hot\" cx=\"4.5\" cy=\"4.5\" r=\"4\"/></marker>
<marker id=\"head-hot\" markerUnits=\"userSpaceOnUse\" markerWidth=\"12\" markerHeight=\"11\" refX=\"11\" refY=\"5.5\" orient=\"auto\"><path class=\"head hot\" d=\"M0 0l12 5.5-12 5.5z\"/></marker>
<marker id=\"head-cycle\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"9\" refX=\"9\" refY=\"4.5\" orient=\"auto\"><path class=\"head cycle\" d=\"M0 0l10 4.5-10 4.5z\"/></marker>
</defs>
";
