/** The plot of a tuning's report as a file of its own: `npx tsx research/auto/figure.ts REPORT.html FILE.svg`. */
import { readFileSync, writeFileSync } from "node:fs";
import { colour, colourStyle } from "../../src/lab/report/plot/colours.ts";

const [report = "", file = ""] = process.argv.slice(2);
const plot = /<svg viewBox="0 0 (\d+) (\d+)"[\s\S]*?<\/svg>/.exec(readFileSync(report, "utf8"));
if (!plot) throw new Error(`${report}: there is no plot in it`);
const [inner, width, height] = plot;
writeFileSync(
  file,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>${colourStyle("svg")} svg { color: var(--ink) }</style>
<rect width="100%" height="100%" fill="${colour("ground")}"/>
${inner}
</svg>
`,
);
