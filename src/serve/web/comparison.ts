import { bytesText, duration, flopsText, percent } from "../../lab/report/format.ts";
import { type Receipt, savedShare } from "../../ledger/receipt.ts";
import { type Html, html } from "../../util/html.ts";
import type { ChatAnswer } from "./chat-section.ts";

/** Compares two answers to one prompt: what their recipes saved, in words and charts. */
export const comparison = (first: ChatAnswer, second: ChatAnswer): Html => html`<h3>What was saved</h3>
<ul>${sentences(first, second).map((sentence) => html`<li>${sentence}</li>`)}</ul>
<div class="charts">${CHARTS.map((chart) => chartOf(chart, [first, second]))}</div>
<p class="quiet">Full bars: what was spent. Pale bars: what dense would have spent on the same answer. One run each; times vary from run to run.</p>`;

/** The time of the work itself, without queueing and loading. */
const timeOf = ({ ms }: Receipt): number => ms.encode + ms.prefill + ms.decode;

function sentences(first: ChatAnswer, second: ChatAnswer): string[] {
  const same = first.text === second.text;
  const saving = [first, second].filter(({ receipt }) => receipt.recipe.length > 0);
  return [
    same ? "Both answers have the same text, letter for letter." : "The two answers differ.",
    ...saving.map(savedInWords),
    timeInWords(first, second),
  ];
}

function savedInWords({ recipe, receipt: { flops, bytes } }: ChatAnswer): string {
  const [lessFlops, lessBytes] = [changeOf(flops), changeOf(bytes)];
  if (lessFlops === undefined && lessBytes === undefined)
    return `${recipe} found nothing to save here: it spent what dense would have spent.`;
  const dense = "as dense would have";
  return `${recipe} moved ${bytesText(bytes.spent)}, ${lessBytes ?? dense}, and computed ${flopsText(flops.spent)}, ${lessFlops ?? dense}.`;
}

/** `12.3 % less than dense`; undefined for a change too small to show. */
function changeOf(spent: { readonly dense: number; readonly spent: number }): string | undefined {
  const saved = savedShare(spent);
  if (Math.abs(saved) < 0.0005) return undefined;
  return `${percent(Math.abs(saved))} ${saved > 0 ? "less" : "more"} than dense would have`;
}

function timeInWords(first: ChatAnswer, second: ChatAnswer): string {
  const [a, b] = [first, second].map(({ receipt }) => timeOf(receipt)) as [number, number];
  const share = Math.abs(1 - b / a);
  const change = `${percent(share)} ${b < a ? "less" : "more"} than the ${duration(a)} of ${first.recipe}`;
  const [tokensA, tokensB] = [first.receipt.tokens.completion, second.receipt.tokens.completion];
  const lengths = tokensA === tokensB ? "" : ` (${tokensB} tokens and ${tokensA})`;
  return `${second.recipe} took ${duration(b)}, ${change}${lengths}.`;
}

interface Chart {
  readonly title: string;
  readonly write: (amount: number) => string;
  readonly spent: (receipt: Receipt) => number;
  /** Absent if the chart shows time, because the dense model was not run. */
  readonly dense?: (receipt: Receipt) => number;
}

const CHARTS: readonly Chart[] = [
  { title: "Time", write: duration, spent: timeOf },
  { title: "Compute", write: flopsText, spent: ({ flops }) => flops.spent, dense: ({ flops }) => flops.dense },
  { title: "Data moved", write: bytesText, spent: ({ bytes }) => bytes.spent, dense: ({ bytes }) => bytes.dense },
];

/** One bar per answer, on its own axis from 0. */
function chartOf({ title, write, spent, dense = () => 0 }: Chart, answers: readonly ChatAnswer[]): Html {
  const amounts = answers.map(({ recipe, receipt }) => ({ recipe, spent: spent(receipt), dense: dense(receipt) }));
  const ticks = ticksTo(Math.max(...amounts.flatMap(({ spent, dense }) => [spent, dense])));
  const at = (amount: number) => `${((100 * amount) / ticks.at(-1)!).toFixed(2)}%`;
  return html`<figure><figcaption>${title}</figcaption>${amounts.map(
    ({ recipe, spent, dense }) =>
      html`<p class="bar"><span>${recipe}</span> <b>${write(spent)}</b><span class="track"><i style="width:${at(dense)}"></i><i class="spent" style="width:${at(spent)}"></i></span></p>`,
  )}<div class="axis" aria-hidden="true">${ticks.map((tick) => html`<span style="left:${at(tick)}">${tickText(tick, write)}</span>`)}</div></figure>`;
}

/** A tick's text without trailing zeros: `20.0 GFLOP` as `20 GFLOP`. */
export const tickText = (amount: number, write: (amount: number) => string): string =>
  amount === 0 ? "0" : write(amount).replace(/(\.\d*?)0+(?= )/, (_, digits: string) => (digits === "." ? "" : digits));

/** Three or four round numbers, evenly spaced from 0 to the first that is at least `most`. */
export function ticksTo(most: number): number[] {
  if (most <= 0) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.5, 1, 2, 2.5].map((factor) => factor * power).find((size) => most / size <= 3) ?? 5 * power;
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step);
}
