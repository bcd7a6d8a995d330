import { duration, flopsText, percent } from "../../lab/report/format.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { type Html, html } from "../../util/html.ts";
import type { ListedModel } from "./api.ts";

/** A prompt, and the recipes to compare. */
export interface Trial {
  readonly model: string;
  readonly prompt: string;
  /** Two recipes as texts: savings with a space between, or `dense`. */
  readonly recipes: readonly [string, string];
}

/** The answer under one recipe, or the reason that there is none. */
export type Outcome =
  | { readonly recipe: string; readonly text: string; readonly receipt: Receipt }
  | { readonly recipe: string; readonly fault: string };

interface ChatProps {
  readonly models: readonly ListedModel[];
  /** Names of savings, for suggestions. */
  readonly savings: readonly string[];
  readonly trial: Trial;
}

/** The form for one prompt under two recipes; answers follow it, then `CHAT_END`. */
export const chatForm = ({ models, savings, trial }: ChatProps): Html => html`<section id="chat">
<h2>Try a model under two recipes</h2>
<form method="post" action="/console/chat#chat"><label>Prompt<textarea name="prompt" required maxlength="20000">${trial.prompt}</textarea></label>
<div class="terms"><label>Model<select name="model">${models.map((model) => modelOption(model, trial.model))}</select></label>
${trial.recipes.map((recipe, i) => recipeField(recipe, i))}</div>
<datalist id="savings"><option value="dense"></option>${savings.map((name) => html`<option value="${name}"></option>`)}</datalist>
<button class="main" type="submit">Answer twice</button>
<p class="quiet">A recipe is <code>dense</code>, or savings such as <code>xattention:threshold=0.9</code> with a space between. Answers take the most likely tokens, ${ANSWER_TOKENS} at most, one after the other.</p></form>
<div class="pair">`;

export const CHAT_END = html`</div></section>`;

/** Tokens of an answer at most. */
export const ANSWER_TOKENS = 200;

const modelOption = ({ id }: ListedModel, chosen: string): Html =>
  id === chosen ? html`<option selected>${id}</option>` : html`<option>${id}</option>`;

const recipeField = (recipe: string, i: number): Html =>
  html`<label>${i === 0 ? "First recipe" : "Second recipe"}<input name="recipe" value="${recipe}" list="savings" maxlength="500" autocomplete="off"></label>`;

/** An answer with its receipt. */
export function outcomeOf(outcome: Outcome): Html {
  const head = html`<h3>${outcome.recipe}</h3>`;
  if ("fault" in outcome) return html`<article>${head}<p class="fault" role="alert">${outcome.fault}</p></article>`;
  return html`<article>${head}<p class="answer">${outcome.text}</p>${receiptTable(outcome.receipt)}</article>`;
}

const receiptTable = (receipt: Receipt): Html =>
  html`<table><tbody>${rowsOf(receipt).map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td class="n">${value}</td></tr>`,
  )}</tbody></table>`;

const rowsOf = ({ tokens, flops, work = {}, ms, estimated }: Receipt): [name: string, value: string][] => [
  ["Tokens", `${tokens.prompt} + ${tokens.completion}${tokens.cached > 0 ? `, ${tokens.cached} cached` : ""}`],
  ["Dense", flopsText(flops.dense)],
  [estimated ? "Spent, estimated" : "Spent", flopsText(flops.spent)],
  ["of which overhead", flopsText(flops.overhead)],
  ["Saved", percent(flops.saved)],
  ...Object.entries(work).flatMap(([name, counter]) => workRow(name, counter)),
  ["Time", duration(ms.total)],
];

/** Work that dense does not do has no share. */
function workRow(name: string, { dense, run }: Readonly<Record<string, unknown>>): [string, string][] {
  if (typeof dense !== "number" || typeof run !== "number") return [];
  const title = `${name[0]!.toUpperCase()}${name.slice(1)}`;
  return [[title, dense === 0 ? String(run) : `${run} of ${dense}`]];
}
