import { Html, html } from "../../util/html.ts";
import type { StepReport } from "../session/run.ts";
import { lineOf, style } from "./colours.ts";
import { type Curve, plotted } from "./curve.ts";
import { flopsText, fourDigits, savedText, summaryRows } from "./rows.ts";
import { summaryOf, type TrainedRun } from "./run.ts";

/** The number of seconds after which the page of an unfinished run reloads. */
const RELOAD = 5;

/** Renders runs as one page, without scripts or requests. A `live` page shows progress, and reloads itself. */
export function page(runs: readonly TrainedRun[], live = false): string {
  const title = runs.length === 1 ? `Training run ${runs[0]!.out}` : `${runs.length} training runs`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
${live && runs.some(isRunning) ? html`<meta http-equiv="refresh" content="${RELOAD}">` : ""}
<title>${title}</title><style>${new Html(style)}</style></head><body>
<h1>${title}</h1>
${live ? runs.map((run) => html`<p>${progressOf(run)}</p>`) : ""}
${summary(runs)}
<h2>Loss by steps</h2>${losses(runs, "step", ({ step }) => step)}
<h2>Loss by tokens</h2>${losses(runs, "tokens", ({ tokens }) => tokens)}
${taskNames(runs).map((name) => html`<h2>${name}</h2>${qualities(runs, name)}`)}
<h2>Learning rate</h2>${figure(
    curves(runs, ({ rate }) => rate),
    "step",
    "learning rate",
  )}
<h2>Gradient norm</h2>${figure(
    curves(runs, ({ norm }) => norm),
    "step",
    "norm before clipping",
  )}
<h2>Speed</h2>${figure(curves(runs, tokensPerSecond), "step", "tokens per second")}
<h2>Receipts</h2>
${receipts(runs)}
${runs.length === 1 ? html`<h2>Options</h2><pre>${JSON.stringify(runs[0]!.options, null, 2)}</pre>` : ""}
</body></html>
`.text;
}

const isRunning = ({ receipt }: TrainedRun): boolean => receipt === undefined;

/** A step's tokens divided by its time, including evaluation. */
const tokensPerSecond: Figure = ({ tokens, ms }, before) => (1000 * (tokens - (before?.tokens ?? 0))) / ms;

/** The number of most recent steps, whose mean time predicts the remaining time. */
const RECENT = 50;

/** A sentence on a run's step, loss, speed and remaining time. */
function progressOf({ steps, receipt }: TrainedRun): string {
  const last = steps.at(-1);
  if (!last) return "No step is done yet.";
  const recent = steps.slice(-RECENT);
  const ms = recent.reduce((sum, report) => sum + report.ms, 0);
  const speed = (1000 * (last.tokens - (steps.at(-RECENT - 1)?.tokens ?? 0))) / ms;
  const minutes = ((ms / recent.length) * (last.steps - last.step)) / 60_000;
  const done = `Step ${last.step} of ${last.steps}, training loss ${fourDigits(last.loss)}, ${Math.round(speed)} tokens per second`;
  return receipt ? `${done}; the run has ended.` : `${done}, ${minutes.toFixed(1)} minutes left.`;
}

type Along = (report: StepReport) => number;

const bySteps: Along = ({ step }) => step;

type Figure = (report: StepReport, before: StepReport | undefined) => number | undefined;

const curves = (runs: readonly TrainedRun[], y: Figure, x = bySteps): Curve[] =>
  runs.map(({ steps }, run) => ({
    ...{ run, thin: true },
    points: steps.map((report, i) => ({ x: x(report), y: y(report, steps[i - 1]) ?? Number.NaN })),
  }));

function losses(runs: readonly TrainedRun[], name: string, x: Along): Html {
  const training = curves(runs, ({ loss }) => loss, x);
  const heldOut = curves(runs, ({ validation }) => validation, x).map((curve) => ({ ...curve, thin: false }));
  const caption = "Thin: the training loss, averaged over neighbouring steps in long runs. Thick: the held-out loss.";
  return figure([...training, ...heldOut], name, "nats per label", caption);
}

const taskNames = (runs: readonly TrainedRun[]): string[] => [
  ...new Set(runs.flatMap(({ steps }) => steps.flatMap(({ tasks = {} }) => Object.keys(tasks)))),
];

const qualities = (runs: readonly TrainedRun[], name: string): Html =>
  figure(
    curves(runs, ({ tasks }) => tasks?.[name]).map((curve) => ({ ...curve, thin: false })),
    "step",
    name,
    "The lab task's metric at each evaluation.",
  );

const figure = (lines: readonly Curve[], x: string, y: string, caption = ""): Html => html`
<figure role="img" aria-label="${y} by ${x}">${new Html(plotted(lines, x, y))}<figcaption>${caption}</figcaption></figure>`;

/** The table of runs, which also serves as the legend. */
function summary(runs: readonly TrainedRun[]): Html {
  const [head, ...rows] = summaryRows(runs.map(summaryOf));
  return table(head!, rows);
}

function receipts(runs: readonly TrainedRun[]): Html {
  const head = ["run", "FLOPs forward", "backward", "update", "spent", "dense", "saved", "time"];
  const rows = runs.map(({ out, receipt }) => {
    if (!receipt) return [out, ...Array<string>(head.length - 1).fill("")];
    const { forward, backward, update, spent, dense, saved } = receipt.flops;
    const all = [forward, backward, update, spent, dense].map(flopsText);
    return [out, ...all, savedText(saved), `${(receipt.ms.total / 1000).toFixed(0)} s`];
  });
  return table(head, rows);
}

/** A table with one row per run, in order, each with a sample of the run's line. */
const table = (head: readonly string[], rows: readonly (readonly string[])[]): Html => html`
<div class="scroll"><table><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(
  ([name, ...cells], run) => html`
<tr><th scope="row">${sample(run)}${name!}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
)}</tbody></table></div>`;

function sample(run: number): Html {
  const { stroke, dash } = lineOf(run);
  return html`<svg width="28" height="8" aria-hidden="true"><path d="M0 4H28" stroke="${stroke}" stroke-width="3" stroke-dasharray="${dash}"/></svg>`;
}
