import { colourStyle } from "../plot/colours.ts";

/** The report's style: one column, light or dark, on screens and paper, down to a phone's width. */
export const style = `${colourStyle(":root")}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1rem 0 .25rem; overflow-wrap: anywhere; }
h5 { font-size: .85rem; margin: 0 0 .25rem; }
p { margin: .5rem 0; max-width: 48rem; }
.lead { color: var(--faint); }
code, pre { font: .82em/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--panel); padding: .6rem .75rem; margin: .25rem 0; border-radius: 4px; }
figure { margin: 1rem 0; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { margin-top: .5rem; color: var(--faint); font-size: .85rem; max-width: 48rem; }
.narrow { display: none; }
@media (max-width: 46rem) { .narrow { display: block; } .wide { display: none; } table { font-size: .78rem; } }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100%; }
caption { text-align: left; color: var(--faint); padding-bottom: .25rem; }
th, td { text-align: right; vertical-align: top; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
thead th { white-space: normal; vertical-align: bottom; }
.whole { white-space: nowrap; }
tbody th { font-weight: normal; white-space: normal; min-width: 8rem; line-height: 1.25; }
td.key { font-weight: 600; }
td.frontier { color: var(--frontier); } td.dense { color: var(--dense); } td.other { color: var(--other); }
td.better { color: var(--better); } td.worse { color: var(--worse); }
.range, .cut { color: var(--faint); }
td .range { display: block; font-size: .92em; }
mark { background: var(--marked); color: inherit; }
details { margin: .5rem 0; border: 1px solid var(--line); border-radius: 4px; padding: .5rem .75rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
article { border-top: 1px solid var(--line); margin-top: .75rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: .75rem; margin-top: .5rem; }
.sides section { min-width: 0; }
.sides ul, .sides ol { margin: .25rem 0; padding-left: 1.25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .5rem 0; font-size: .9rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--frontier); outline-offset: 2px; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } table { font-size: .75rem; } th, td { padding: .2rem .3rem; } .scroll { overflow: visible; } tr, article, figure { break-inside: avoid; } .narrow { display: none; } .wide { display: block; } }
`;
