import { bytesText, duration, flopsText, percent } from "../../lab/report/format.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { Html, html } from "../../util/html.ts";
import type { ListedModel, ListedSaving } from "./api.ts";
import { type ModelChoice, modelChoices, type RecipeChoice } from "./recipe-choices.ts";

/** A prompt, and the recipes to compare. */
export interface Trial {
  readonly model: string;
  readonly prompt: string;
  /** Two recipes, each `dense`, savings separated by spaces, or a registered recipe's name. */
  readonly recipes: readonly [string, string];
}

/** The answer under one recipe, or the reason why it is missing. */
export type Outcome = ChatAnswer | { readonly recipe: string; readonly fault: string };

export interface ChatAnswer {
  readonly recipe: string;
  readonly text: string;
  readonly finish: string;
  readonly receipt: Receipt;
}

interface ChatProps {
  readonly models: readonly ListedModel[];
  readonly savings: readonly ListedSaving[];
  /** Absent on a first visit. */
  readonly trial: Trial | undefined;
  /** The reason the trial cannot run. */
  readonly fault: string | undefined;
}

/** A prompt whose answer repeats much of it, so `lookup` pays off. */
const EXAMPLE = `Rename the parameter \`n\` to \`count\`. Answer with the code alone.

function first(list, n) {
  if (n < 0) throw new RangeError("n must not be negative");
  if (n > list.length) n = list.length;
  const taken = [];
  for (let i = 0; i < n; i++) taken.push(list[i]);
  return taken;
}`;

/** The list value that selects the user's own recipe. */
export const OWN = "own";
/** The name of a recipe's field in the form; each model has its own lists. */
export const fieldOf = (place: 0 | 1, model: string): string => `recipe-${place + 1}:${model}`;
export const ownField = (place: 0 | 1): string => `own-${place + 1}`;

/** Maximum tokens of an answer. */
export const ANSWER_TOKENS = 200;

/** The form for one prompt under two recipes; answers follow it, then `CHAT_END`. */
export function chatForm({ models, savings, trial, fault }: ChatProps): Html {
  const choices = modelChoices(models, savings);
  if (choices.length === 0)
    return html`<section id="chat"><h2>Compare two recipes</h2><p class="quiet">None of this server's models answers chats.</p>`;
  const chosen = choices.find(({ id }) => id === trial?.model) ?? choices[0]!;
  const side = (place: 0 | 1) =>
    html`<div>${choices.map((choice, at) => recipeList(choice, at, place, choice === chosen ? trial : undefined))}${ownRecipe(place, chosen, trial)}</div>`;
  return html`<section id="chat">
<h2>Compare two recipes on one prompt</h2>
<form method="post" action="/console/chat#answers"><style>${new Html(shownFields(choices.length))}</style>
<label>Prompt<textarea name="prompt" required maxlength="20000" rows="9">${trial?.prompt ?? EXAMPLE}</textarea></label>
<div class="terms"><label>Model<select name="model">${choices.map(({ id }, at) => option(id, id, id === chosen.id, `m${at}`))}</select></label>
${side(0)}${side(1)}</div>
<button class="main" type="submit">Answer twice</button>
<p class="quiet">Both answers start from an empty cache, with the model's own sampling settings and the same seed, one after the other. They have at most ${ANSWER_TOKENS} tokens.</p>
${fault === undefined ? NOTHING : html`<p class="fault" role="alert">${fault}</p>`}</form>`;
}

export const CHAT_END = html`</section>`;

const NOTHING = html``;

/** Shows only the chosen model's lists, and a field for the user's own recipe if that is chosen; old browsers show all. */
function shownFields(models: number): string {
  const shown = Array.from({ length: models }, (_, at) => {
    const form = `form:has(#m${at}:checked)`;
    const own = ([0, 1] as const).map((i) => `${form}:has(.of-${at} .list-${i} [value=${OWN}]:checked) .own-${i}`);
    return [`${form} .of-${at}`, ...own];
  });
  return `@supports selector(:has(a)){.of,.of-name,.own{display:none}${shown.flat().join()}{display:grid}}`;
}

const option = (value: string, text: string, selected: boolean, id?: string): Html =>
  html`<option value="${value}"${id === undefined ? NOTHING : html` id="${id}"`}${selected ? html` selected` : NOTHING}>${text}</option>`;

const PLACES = ["First recipe", "Second recipe"] as const;

function recipeList(choice: ModelChoice, at: number, place: 0 | 1, trial: Trial | undefined): Html {
  const { id, savings, named, preferred } = choice;
  const selected = trial ? listed(choice, trial.recipes[place]) : place === 0 ? "dense" : preferred;
  const group = (label: string, all: readonly RecipeChoice[]) =>
    all.length === 0
      ? NOTHING
      : html`<optgroup label="${label}">${all.map(({ text, summary }) => option(text, summary ? `${text}: ${summary}` : text, text === selected))}</optgroup>`;
  return html`<label class="of of-${at}"><span>${PLACES[place]}<span class="of-name"> for ${id}</span></span><select name="${fieldOf(place, id)}" class="list-${place}">${option("dense", "dense: no saving", selected === "dense")}${group("Savings", savings)}${group("Registered recipes and pipelines", named)}${option(OWN, "your own …", selected === OWN)}</select></label>`;
}

/** A recipe's value in a list. */
const listed = ({ savings, named }: ModelChoice, recipe: string): string =>
  recipe === "dense" || [...savings, ...named].some(({ text }) => text === recipe) ? recipe : OWN;

function ownRecipe(place: 0 | 1, choice: ModelChoice, trial: Trial | undefined): Html {
  const recipe = trial?.recipes[place] ?? "dense";
  const value = listed(choice, recipe) === OWN ? recipe : "";
  return html`<label class="own own-${place}">Your own: savings separated by spaces<input name="${ownField(place)}" value="${value}" placeholder="xattention:threshold=0.9" maxlength="500" autocomplete="off" spellcheck="false"></label>`;
}

/** Shown until the answer arrives, which hides it. */
export const waiting = (recipe: string): Html =>
  html`<p class="waiting" role="status">Answering with ${recipe} … If the page ends here, the server has stopped.</p>`;

const ENDS: Readonly<Record<string, string>> = {
  length: `The answer was cut at ${ANSWER_TOKENS} tokens.`,
  repetition: "The answer was ended because it repeated itself.",
};

/** An answer with its receipt. */
export function outcomeOf(outcome: Outcome): Html {
  const head = html`<h3>${outcome.recipe}</h3>`;
  if ("fault" in outcome) return html`<article>${head}<p class="fault" role="alert">${outcome.fault}</p></article>`;
  const { text, finish, receipt } = outcome;
  const end = ENDS[finish];
  return html`<article>${head}<p class="answer">${text}</p>${end === undefined ? NOTHING : html`<p class="quiet">${end}</p>`}
<details><summary>Receipt</summary>${receiptTable(receipt)}</details></article>`;
}

const receiptTable = (receipt: Receipt): Html =>
  html`<table><tbody>${rowsOf(receipt).map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td class="n">${value}</td></tr>`,
  )}</tbody></table>`;

const rowsOf = ({ tokens, flops, bytes, work = {}, ms, estimated }: Receipt): [name: string, value: string][] => [
  ["Prompt tokens", String(tokens.prompt)],
  ["of which cached", String(tokens.cached)],
  ["Answer tokens", String(tokens.completion)],
  ["FLOPs, dense", flopsText(flops.dense)],
  [estimated ? "FLOPs, estimated" : "FLOPs", flopsText(flops.spent)],
  ["of which overhead", flopsText(flops.overhead)],
  ["FLOPs saved", percent(flops.saved)],
  ["Bytes, dense", bytesText(bytes.dense)],
  ["Bytes", bytesText(bytes.spent)],
  ...Object.entries(work).flatMap(([name, counter]) => workRow(name, counter)),
  ["Reading the prompt", duration(ms.prefill)],
  ["Writing the answer", duration(ms.decode)],
  ["Including waiting and loading", duration(ms.total)],
];

/** Kinds of work that dense does not do have no share, so they get no row. */
function workRow(name: string, { dense, run }: Readonly<Record<string, unknown>>): [string, string][] {
  if (typeof dense !== "number" || typeof run !== "number") return [];
  const title = `${name[0]!.toUpperCase()}${name.slice(1)}`;
  return [[title, dense === 0 ? String(run) : `${run} of ${dense}`]];
}
