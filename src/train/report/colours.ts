/** Line colours after Okabe and Ito: distinct for colour-blind readers, on light and dark backgrounds. */
const lines = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#8b5fbf", "#808080"];
const dashes = ["none", "7 3", "2 3"];

/** The line style of a run; after eight runs, the colours repeat with dashed lines. */
export const lineOf = (run: number): { stroke: string; dash: string } => ({
  stroke: lines[run % lines.length]!,
  dash: dashes[Math.floor(run / lines.length) % dashes.length]!,
});

/** The page's style sheet, light or dark as the reader prefers. */
export const style = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1b1b; --faint: #5f5f5f; --line: #d9d9d9; --panel: #f5f5f5; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --ink: #ececec; --faint: #a8a8a8; --line: #3d4148; --panel: #1f2228; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
figure { margin: 1rem 0; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--faint); font-size: .85rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
tbody th { font-weight: normal; }
td svg, th svg { vertical-align: middle; margin-right: .4rem; }
pre { font: .82em/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel);
  padding: .6rem .75rem; border-radius: 4px; }
`;
