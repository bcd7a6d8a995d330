/** The plot of a tuning's report as a file of its own: `npx tsx research/auto/figure.ts REPORT.html FILE.svg`. */
import { readFileSync, writeFileSync } from "node:fs";
import { colour, colourStyle } from "../../src/lab/report/plot/colours.ts";

const [report = "", file = ""] = process.argv.slice(2);
const page = readFileSync(report, "utf8");
const plot = /(<svg viewBox="0 0 (\d+) (\d+)"[^>]*>)([\s\S]*?<\/svg>)/.exec(page);
if (!plot) throw new Error(`${report}: there is no plot in it`);
const [, open, width, height, marks] = plot;
// Plot's own style scales a plot inside a page.
const drawn = marks!.replace(/<style>[\s\S]*?<\/style>/, "");
const title = `<title>Loss against time of the tuning ${/<title>(\w+)/.exec(page)?.[1] ?? ""}</title>`;
writeFileSync(
  file,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
${title}
<style>${colourStyle("svg")} svg { color: var(--ink) }</style>
<rect width="100%" height="100%" fill="${colour("ground")}"/>
${open}${title}${drawn}
</svg>
`,
);
