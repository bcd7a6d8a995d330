import { recipesOf, rungsAt } from "../../savings/auto/ladder.ts";
import { Html, html } from "../../util/html.ts";
import { bytesText, count, duration, figure, flopsText, percent, range } from "../report/format.ts";
import { style } from "../report/page/style.ts";
import { recipeName, table } from "../report/page/table.ts";
import { machine } from "../run/machine.ts";
import { costOf } from "./fit.ts";
import { lossInWords } from "./losses.ts";
import { plot } from "./plot.ts";
import type { TuneResult } from "./run.ts";
import type { Cost } from "./times.ts";
import { ladderText, pText, unsureText, verdictOf } from "./words.ts";

/** The report as one self-contained page without scripts or network requests. */
export function tuningPage(result: TuneResult): string {
  const { setup } = result;
  const title = `${setup.request.options.name}: ${setup.identity.task} with ${setup.identity.model}`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title><style>${new Html(style)}</style></head><body>
<header><h1>${title}</h1><p class="lead">${lead(result)}</p></header>
<main><p>${verdictOf(result)}</p>
<figure><div role="img" aria-label="Loss against ${setup.request.options.cost}, dense's being 100 %">${new Html(plot(result))}</div>
<figcaption>Hollow points: recipes on the search items. Filled points: ladders as tested, by their number in the table below. All are placed by their price, which is fitted to the measured costs. The shaded region is what may be certified: cheaper than dense, and a loss of at most the risk.</figcaption></figure>
${spending(result)}
${path(result)}
${candidates(result)}
<h2>How it was made</h2>
${origin(result)}</main></body></html>
`.text;
}

function lead({ setup, outcome }: TuneResult): string {
  const { outlook, items, loss, problem } = setup;
  const out = items.tooLong > 0 ? `; ${count(items.tooLong, "item")} longer than the context left out` : "";
  return `${count(outlook.items, "item")} in ${count(outlook.groups, "group")}: ${outcome.search.length} to search, ${outcome.test.length} to test${out}. The loss is ${loss}: ${lossInWords(loss, items.metric, problem.type)}; the risk ${problem.bound.risk}.`;
}

/** The cost under the certificate, by the prompt's length. */
function spending({ certificate, shares }: TuneResult): Html {
  if (certificate === undefined || shares === undefined) return html``;
  const { lengths, ladder, answer, recipes, cost } = certificate;
  const price = (by: Cost, recipe: string, n: number) => costOf(recipes[recipe]![by], n, answer);
  const ms = (recipe: string, n: number) => price("ms", recipe, n);
  const at = [...new Set([lengths[0], Math.round((lengths[0] + lengths[1]) / 2), lengths[1]])];
  const rows = at.map((n) => {
    const rung = rungsAt(ladder, n).reduce((a, b) => (price(cost.by, b, n) < price(cost.by, a, n) ? b : a));
    const cells = [html`<td>${n}</td>`, html`<th scope="row">${recipeName(rung)}</th>`];
    return [...cells, html`<td>${duration(ms("dense", n))}</td>`, html`<td>${duration(ms(rung, n))}</td>`];
  });
  const measured = [
    ["time", duration(cost.ms.dense), `${percent(shares.ms)} ${range(cost.ms.ci95, percent)}`],
    ["FLOPs", flopsText(cost.flops.dense), percent(shares.flops)],
    ["bytes", bytesText(cost.bytes.dense), percent(shares.bytes)],
  ] as const;
  return html`<h2>What it spends</h2>
${table(
  `Measured: medians of ${count(shares.items, "item")}, each timed alternately with dense`,
  ["", "dense", "certified, as a share of dense"],
  measured.map((cells) => cells.map((cell) => html`<td>${cell}</td>`)),
)}
${table(
  `The price of a request by its prompt's tokens, with an answer of ${answer}. It is fitted to the measured times, and decides a request's recipe`,
  ["tokens", "recipe", "dense", "certified"],
  rows,
)}`;
}

/** The ladders in the order of the test. */
function path({ outcome, setup }: TuneResult): Html {
  const tested = outcome.order.map(({ ladder, loss, price }, i) => {
    const verdict = outcome.verdicts[i];
    const result = verdict === undefined ? "not tested" : verdict.certified ? "certified" : "failed";
    return [
      html`<td>${i + 1}</td>`,
      html`<th scope="row">${recipeName(ladderText(ladder))}</th>`,
      html`<td>${percent(price / outcome.dense)}</td>`,
      html`<td>${figure(loss)}</td>`,
      html`<td>${verdict === undefined ? "" : figure(verdict.mean)}</td>`,
      html`<td>${verdict === undefined ? "" : pText(verdict, setup)}</td>`,
      html`<td class="${verdict?.certified ? "better" : "worse"}">${result}</td>`,
    ];
  });
  const unsure = outcome.unsure.map(({ ladder, loss, price }) => [
    html`<td></td>`,
    html`<th scope="row">${recipeName(ladderText(ladder))}</th>`,
    html`<td>${percent(price / outcome.dense)}</td>`,
    html`<td>${figure(loss)}</td>`,
    html`<td></td>`,
    html`<td></td>`,
    html`<td>${unsureText(setup)}</td>`,
  ]);
  const rows = [...tested, ...unsure];
  if (rows.length === 0) return html``;
  const head = ["#", "ladder", "price of dense's", "loss, searched", "loss, tested", "p", "result"];
  return html`<h2>The test</h2>${table("Ladders from the dearest to the cheapest by fitted price; the first that fails ends the test", head, rows)}`;
}

function candidates({ rated, dropped, setup, certificate }: TuneResult): Html {
  const [dense] = rated;
  const used = new Set(certificate ? recipesOf(certificate.ladder) : []);
  const rows = [
    ...rated.map(({ recipe, loss, price }) => [
      recipe,
      figure(loss),
      percent(price / dense!.price),
      used.has(recipe) ? "certified" : "survived",
    ]),
    ...dropped.map(({ recipe, loss, items }) => [
      recipe,
      Number.isNaN(loss) ? "" : figure(loss),
      "",
      items === 0 ? "dropped with a milder setting" : `lost too much in ${count(items, "item")}`,
    ]),
    ...setup.excluded.map(({ recipe, reason }) => [recipe, "", "", reason]),
  ];
  return html`<h2>Candidates</h2>${table(
    "All recipes that were considered",
    ["recipe", "loss on search items", "price as a share of dense", "outcome"],
    rows.map(([recipe, ...cells]) => [
      html`<th scope="row">${recipeName(recipe!)}</th>`,
      ...cells.map((cell) => html`<td>${cell}</td>`),
    ]),
  )}`;
}

const samplingText = (sampling: Readonly<Record<string, number>>): string =>
  Object.entries(sampling)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ") || "greedy";

const origin = ({ setup }: TuneResult): Html => html`<dl>
<dt>model</dt><dd>${setup.identity.model}, SHA-256 <code>${setup.identity.model_hash}</code></dd>
<dt>weights</dt><dd>${setup.identity.form}, codes of ${setup.identity.codes} bits</dd>
<dt>prompts</dt><dd>${setup.identity.prompt}</dd>
<dt>sampling</dt><dd>${samplingText(setup.identity.sampling)}</dd>
<dt>attempt</dt><dd>${setup.attempt}</dd>
<dt>machine</dt><dd>${machine()}</dd>
<dt>Modicum</dt><dd>${setup.request.version}</dd>
</dl>`;
