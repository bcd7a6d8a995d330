/** The pages' style sheet. Colours have a contrast of at least 4.5 against their background, light and dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#fcfcfa, #16181c); --ink: light-dark(#1d1f23, #e6e6e3); --quiet: light-dark(#5a5e66, #a3a7af);
  --line: light-dark(#e2e1dc, #31343a); --soft: light-dark(#f3f2ee, #1f2227); --link: light-dark(#0b4f9e, #8fbcf5);
  --mark: light-dark(#8a3b12, #f0a878); --accent: light-dark(#0b4f9e, #8fbcf5); --on-accent: light-dark(#fff, #10141a);
  --text: Charter, "Bitstream Charter", "Source Serif 4", "Iowan Old Style", Georgia, "Liberation Serif", serif;
  --face: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.55 var(--face); overflow-wrap: break-word; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: .18em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .4rem .8rem; z-index: 1; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
header, main, footer { max-width: 64rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: .9rem; display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center; justify-content: space-between; }
.name { font: 600 1.35rem/1.2 var(--text); color: inherit; text-decoration: none; letter-spacing: -.01em; }
.mail { order: 1; }
search { flex: 1 1 16rem; min-width: 0; }
.find { display: flex; gap: .5rem; }
.find input { flex: 1; width: 0; }
header nav { order: 2; flex-basis: 100%; border-bottom: 1px solid var(--line); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1.4rem; margin: 0; padding: 0; }
nav a { display: inline-block; padding: .35rem 0; color: var(--quiet); text-decoration: none; border-bottom: 2px solid transparent; margin-bottom: -1px; }
nav a:hover { color: var(--ink); }
nav a[aria-current] { color: var(--ink); border-color: var(--accent); }
h1 { font: 600 1.5rem/1.25 var(--text); letter-spacing: -.01em; margin: 1.1rem 0 .15rem; text-wrap: balance; }
h2 { font: 600 1.08rem/1.3 var(--text); margin: 0; }
.paper h1 { font-size: 1.9rem; }
section > h2 { font: 600 1rem/1.4 var(--face); margin: 2.25rem 0 .5rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
.quiet, .meta { color: var(--quiet); font-size: .9rem; }
.meta { display: flex; flex-wrap: wrap; gap: 0 .9rem; margin: .2rem 0; padding: 0; list-style: none; }
.lead { margin: 0 0 1rem; }
.top { display: flex; flex-wrap: wrap; gap: 0 1.25rem; align-items: baseline; margin: .8rem 0 .2rem; }
.top :is(h1, p, details) { margin: 0; } .top p { flex: 1; min-width: fit-content; } .top details[open] { flex-basis: 100%; }
article { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .15rem 1rem; padding: .5rem 0; border-top: 1px solid var(--line); }
article > * { grid-column: 1 / -1; }
article > .line { grid-column: 1; display: flex; flex-wrap: wrap; gap: .15rem .9rem; align-items: center; }
article > .actions { grid-area: 2 / 2; margin: 0; }
article .actions button { min-height: 1.75rem; padding: .1rem .6rem; font-size: .82rem; }
.feed > article:first-child { border-top: 0; }
article h2 a { color: inherit; text-decoration: none; }
article h2 a:hover { text-decoration: underline; }
article.read h2 a, article.read .text { color: var(--quiet); }
.text { font: 1.03rem/1.62 var(--text); margin: .5rem 0; }
article .text { font-size: .97rem; line-height: 1.45; margin: 0; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
article .quiet, article .why { margin: 0; }
.paper .text { font-size: 1.13rem; line-height: 1.68; max-width: 40rem; }
.why { font-size: .9rem; margin: .35rem 0; color: var(--mark); }
.chips { display: inline-flex; flex-wrap: wrap; gap: .35rem; list-style: none; margin: 0; padding: 0; }
.chips a, .chips button, .chip { font-size: .82rem; line-height: 1.5; padding: .1rem .6rem; border: 1px solid var(--line); border-radius: 1rem; background: var(--soft); color: var(--ink); text-decoration: none; }
.chips a:hover { border-color: var(--quiet); }
.actions { display: flex; flex-wrap: wrap; gap: .4rem; margin-top: .65rem; align-items: center; }
.paper .actions { margin: 1rem 0; }
.paper .tagged form { margin: 0; }
button, input, select { font: inherit; color: inherit; }
button, .button { border: 1px solid var(--line); background: transparent; border-radius: 6px; padding: .3rem .75rem; font-size: .88rem; min-height: 2rem; cursor: pointer; text-decoration: none; color: var(--ink); }
button:hover, .button:hover { border-color: var(--quiet); background: var(--soft); }
button[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.danger { background: var(--mark); border-color: var(--mark); color: var(--on-accent); }
input, select { min-width: 0; border: 1px solid light-dark(#8b8e95, #6b7079); border-radius: 6px; background: light-dark(#fff, #1b1d22); padding: .3rem .65rem; min-height: 2.2rem; }
.filters { display: flex; flex-wrap: wrap; gap: .6rem .9rem; align-items: end; margin: .5rem 0 .25rem; }
.filters label { display: grid; font-size: .82rem; color: var(--quiet); flex: 1 1 9rem; }
.filters label :is(input, select) { font-size: .95rem; color: var(--ink); }
.filters button { min-height: 2.2rem; }
.long { display: grid; gap: .9rem; max-width: 26rem; margin-top: 1rem; }
.long label { display: grid; font-size: .88rem; color: var(--quiet); }
.long :is(input, select) { font-size: 1rem; color: var(--ink); }
.long fieldset { border: 1px solid var(--line); border-radius: 6px; padding: .4rem .8rem .6rem; margin: 0; }
.long legend { font-size: .88rem; color: var(--quiet); padding: 0 .3rem; }
.long .choice { display: flex; gap: .5rem; align-items: center; font-size: .95rem; color: var(--ink); }
.choice input { min-height: 0; width: 1.1rem; height: 1.1rem; }
::placeholder { color: var(--quiet); opacity: 1; }
details { margin: .25rem 0 0; }
summary { cursor: pointer; color: var(--quiet); font-size: .9rem; padding: .3rem 0; width: fit-content; }
.fault { border-left: 3px solid var(--mark); padding: .1rem 0 .1rem .8rem; color: var(--mark); }
.empty { margin: 2.5rem 0; max-width: 34rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--quiet); }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; }
.scroll { overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: .75rem 0; font-size: .93rem; }
dt { color: var(--quiet); } dd { margin: 0; min-width: 0; }
.similar { list-style: none; padding: 0; margin: 0; } .similar > li { padding: .4rem 0; }
.pages { display: flex; justify-content: space-between; gap: 1rem; margin: 1.5rem 0; }
footer { margin-top: 3.5rem; padding: 1rem 0 2.5rem; max-width: min(61.5rem, 100% - 2.5rem); color: var(--quiet); font-size: .88rem; border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
kbd { font: .85em ui-monospace, monospace; border: 1px solid var(--line); border-radius: 4px; padding: .05rem .35rem; background: var(--soft); }
@media (max-width: 30rem) {
  header, main { padding-left: 1rem; padding-right: 1rem; }
  nav ul { gap: 0 1rem; } .name { font-size: 1.15rem; } h1 { font-size: 1.3rem; }
  header { gap: .5rem; } .mail { order: 0; font-size: .75rem; padding: .3rem .45rem; } search { flex-basis: 100%; }
  .paper h1 { font-size: 1.5rem; } .keys { display: none; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
}
@media (max-width: 44rem) {
  article { display: block; padding: .9rem 0; } article .text { -webkit-line-clamp: 3; margin: .35rem 0; }
}
@media (prefers-reduced-motion: no-preference) { button, nav a { transition: background-color .12s, border-color .12s; } }
`;
