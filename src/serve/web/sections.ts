import { bytesText, count, duration, flopsText, percent } from "../../lab/report/format.ts";
import { describe, frontierSvg, titleOf } from "../../lab/report/plot/frontier-svg.ts";
import type { Summary } from "../../lab/results.ts";
import { findRuns } from "../../lab/run/held.ts";
import { hollow } from "../../lab/run/hollow.ts";
import { savedShare } from "../../ledger/receipt.ts";
import { type Html, html } from "../../util/html.ts";
import type { Key } from "../keys/store.ts";
import type { ListedModel, ListedReceipts } from "./api.ts";
import { spanOf, spentBy } from "./spent.ts";
import { domainOf, spentChart } from "./spent-chart.ts";

/** A table that narrow screens show as a list, with the column's heading beside each cell. */
const table = (heads: readonly string[], rows: readonly (readonly (string | Html)[])[], numbers: number): Html => {
  const kind = (i: number) => (i >= heads.length - numbers ? "n" : "");
  return html`<table class="list" role="table"><thead><tr>${heads.map(
    (head, i) => html`<th scope="col" class="${kind(i)}">${head}</th>`,
  )}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr role="row">${row.map((cell, i) => html`<td role="cell" class="${kind(i)}" data-head="${heads[i]!}">${cell}</td>`)}</tr>`,
  )}</tbody></table>`;
};

const section = (id: string, title: string, ...parts: readonly Html[]): Html =>
  html`<section id="${id}"><h2>${title}</h2>${parts}</section>`;

const quiet = (text: string): Html => html`<p class="quiet">${text}</p>`;

/** An SVG file as an image, so that its style is its own. */
const image = (svg: string, alt: string): Html =>
  html`<img alt="${alt}" src="data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}">`;

/** The models on offer, and their copies in memory. */
export const modelsSection = (models: readonly ListedModel[]): Html =>
  section(
    "models",
    "Models",
    table(
      ["Model", "Recipe", "In memory", "Running", "Files"],
      models.map(({ id, recipe, parent, loaded, bytes }) => [
        id,
        recipe.join(" ") || (parent ? "dense" : ""),
        loaded.map(({ quant }) => quant).join(", ") || "no",
        String(loaded.reduce((sum, { users }) => sum + users, 0)),
        bytes === 0 ? "" : bytesText(bytes),
      ]),
      2,
    ),
  );

/** The maximum number of recipes with a chart, and of recipes in the table. */
const [CHARTS, LISTED] = [6, 12];

/** FLOPs spent and saved, over time, by recipe and by key. */
export function spentSection({ data, sum, keys = [] }: ListedReceipts, names: ReadonlyMap<string, string>): Html {
  if (data.length === 0) return section("spent", "Spent and saved", quiet("Nothing has been spent yet."));
  const span = spanOf(data);
  const bars = spentBy(data, span);
  const domain = domainOf(bars, span);
  const totals = spentBy(data, Number.MAX_SAFE_INTEGER).sort((a, b) => b.dense - a.dense);
  const row = (name: string, receipts: number, dense: number, spent: number, more: readonly string[] = []) => [
    ...[name, receipts.toLocaleString("en"), flopsText(dense), flopsText(spent)],
    ...[percent(savedShare({ dense, spent })), ...more],
  ];
  const newest = `The newest ${count(data.length, "receipt")} of ${sum.receipts.toLocaleString("en")}, by ${span > 3_600_000 ? "day" : "hour"}`;
  return section(
    "spent",
    "Spent and saved",
    html`<div class="charts">${totals.slice(0, CHARTS).map(({ recipe, dense, spent }) => {
      const own = bars.filter((bar) => bar.recipe === recipe);
      const alt = `FLOPs over time: ${flopsText(spent)} spent, ${flopsText(dense)} dense`;
      return html`<figure><figcaption>${recipe}</figcaption>${image(spentChart(own, domain, span), alt)}</figure>`;
    })}</div>`,
    quiet(`${newest}; each chart has its own scale. Pale: what dense would have spent; full: what was spent.`),
    table(
      ["Model and recipe", "Receipts", "Dense", "Spent", "Saved"],
      totals.slice(0, LISTED).map(({ recipe, receipts, dense, spent }) => row(recipe, receipts, dense, spent)),
      4,
    ),
    html`<h3>By key</h3>`,
    table(
      ["Key", "Receipts", "Dense", "Spent", "Saved", "Time"],
      keys.map(({ key, receipts, flops: { dense, spent }, ms }) =>
        row(key === null ? "without a key" : (names.get(key) ?? key), receipts, dense, spent, [duration(ms.total)]),
      ),
      5,
    ),
  );
}

/** Maximum runs to show. */
const RUNS = 12;

/** The last finished runs in a folder, in the order of their paths. @throws UserError if the folder cannot be read */
export const lastRuns = async (folder: string): Promise<Summary[]> =>
  (await findRuns(folder)).flatMap(({ summary }) => summary ?? []).slice(-RUNS);

/** The frontiers of the lab's runs, each with its caveats, as `lab run` prints them. */
export function frontiersSection(summaries: readonly Summary[] | undefined): Html {
  if (summaries === undefined)
    return section("frontiers", "Frontiers", quiet("Start the server with --lab FOLDER to see the lab runs in it."));
  if (summaries.length === 0) return section("frontiers", "Frontiers", quiet("The folder has no finished lab runs."));
  const plots = summaries.map(
    (summary) =>
      html`<figure>${image(frontierSvg(summary), `${titleOf(summary)}. ${describe(summary)}`)}${summary.recipes.flatMap((recipe) => hollow(summary, recipe)).map(quiet)}</figure>`,
  );
  return section("frontiers", "Frontiers: quality against compute saved", html`<div class="plots">${plots}</div>`);
}

export function keysSection(keys: readonly Key[]): Html {
  if (keys.length === 0)
    return section(
      "keys",
      "Keys",
      quiet("There are no keys, so everybody on this machine is an admin. `modicum keys create NAME` creates one."),
    );
  return section(
    "keys",
    "Keys",
    table(
      ["Name", "Id", "Scopes", "Terms", "Created"],
      keys.map(({ name, id, scopes, terms, created }) => [
        ...[name, id, scopes.join(", ")],
        Object.entries(terms)
          .map(([term, value]) => `${term} ${String(value)}`)
          .join(", "),
        created.slice(0, 10),
      ]),
      1,
    ),
  );
}
