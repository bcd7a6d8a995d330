import { type Html, html } from "../../../util/html.ts";
import type { AnswerOf, Item, ItemKind, ItemOf, Likelihood } from "../../item.ts";
import { characters } from "../../metrics/choice.ts";
import { argmax } from "../../metrics/sums.ts";
import { figure } from "../format.ts";
import { shortened } from "./shortened.ts";

/** The question of an item, and the correct answer. */
export function question(item: Item): Html {
  switch (item.kind) {
    case "choice":
      return html`<pre>${shortened(commonOf(item))}</pre><p>Right: <q>${optionsOf(item)[item.gold]!}</q></p>`;
    case "continuation":
      return html`<pre>${shortened(item.context)}</pre><p>Continues: <q>${item.continuation.trim()}</q></p>`;
    case "generation":
      return html`<pre>${shortened(item.prompt, item.answers)}</pre><p>Right: ${quoted(item.answers)}</p>`;
    case "text":
      return html`<pre>${shortened(item.text)}</pre>`;
    case "label":
      return html`<pre>${shortened(item.text)}</pre><p>Right: <q>${item.labels[item.gold]!}</q></p>`;
    case "ranking":
      return html`<pre>${shortened(item.query)}</pre>`;
  }
}

const oneContext = ({ choices }: ItemOf<"choice">): boolean =>
  choices.every(({ context }) => context === choices[0]!.context);

/** The text that an item's choices share: their context, or the text after each choice (Winogrande). */
const commonOf = (item: ItemOf<"choice">): string => {
  const { context, continuation } = item.choices[0]!;
  return oneContext(item) ? context : `…${continuation}`;
};

/** The text that differs between an item's choices. */
const optionsOf = (item: ItemOf<"choice">): string[] =>
  item.choices.map(({ context, continuation }) => (oneContext(item) ? continuation.trim() : context));

const quoted = (texts: readonly string[]): Html[] =>
  texts.slice(0, 5).map((text, i) => html`${i === 0 ? "" : " or "}<q>${shortened(text)}</q>`);

type AnswerViews = { [K in ItemKind]: (item: ItemOf<K>, answer: AnswerOf[K], beside: AnswerOf[K]) => Html };

const shown: AnswerViews = {
  choice: (item, { likelihoods }) => {
    const raw = likelihoods.map(({ logLikelihood }) => logLikelihood);
    const normalised = raw.map((score, i) => score / characters(item.choices[i]!.continuation));
    const [likeliest, byLength] = [argmax(raw), argmax(normalised)];
    return list(
      optionsOf(item).map((text, i) => ({
        text: `${text}: ${figure(raw[i]!)}, ${figure(normalised[i]!)} per character`,
        marks: [
          i === likeliest && "likeliest",
          i === byLength && "likeliest per character",
          i === item.gold && "right",
        ],
      })),
    );
  },
  continuation: (_item, likelihood) =>
    html`<p>${likelihoodText(likelihood)}; greedy decoding ${likelihood.greedy ? "gives it" : "gives another"}</p>`,
  generation: (_item, { text }, beside) =>
    html`<pre>${text === "" ? html`<em>nothing</em>` : marked(text, beside.text)}</pre>`,
  text: (_item, likelihood) => html`<p>${likelihoodText(likelihood)}</p>`,
  label: ({ labels, gold }, { scores }) => {
    const chosen = argmax(scores);
    const order = [...labels.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, 5);
    return list(
      order.map((i) => ({
        text: `${labels[i]}: ${figure(scores[i]!)}`,
        marks: [i === chosen && "chosen", i === gold && "right"],
      })),
    );
  },
  ranking: ({ documents, relevance }, { order }) => {
    const texts = new Map(documents.map(({ id, text }) => [id, text]));
    const row = (id: string) =>
      html`<li>${id}, grade ${relevance[id] ?? 0}: ${(texts.get(id) ?? "").slice(0, 80)}</li>`;
    return html`<ol>${order.slice(0, 5).map(row)}</ol>`;
  },
};

const likelihoodText = ({ logLikelihood, tokens }: Omit<Likelihood, "greedy">): string =>
  `log-likelihood ${figure(logLikelihood)} nats, ${figure(logLikelihood / tokens)} per token`;

/** Lines with their labels; marked lines stand out. */
const list = (lines: readonly { text: string; marks: readonly (string | false)[] }[]): Html =>
  html`<ul>${lines.map(line)}</ul>`;

function line({ text, marks }: { text: string; marks: readonly (string | false)[] }): Html {
  const present = marks.filter((mark) => mark !== false);
  return html`<li>${shortened(text)}${present.length === 0 ? "" : html` <strong>${present.join(", ")}</strong>`}</li>`;
}

/** A text in which everything after its common prefix with another text is marked. */
function marked(text: string, other: string): Html {
  let same = 0;
  while (same < text.length && text[same] === other[same]) same++;
  // A word that differs is marked as a whole.
  while (same > 0 && same < text.length && /\w/.test(text[same - 1]!)) same--;
  const rest = text.slice(same);
  return html`${shortened(text.slice(0, same))}${rest === "" ? "" : html`<mark>${shortened(rest)}</mark>`}`;
}

/** A model's answer to an item, for comparison with another answer. */
export const answerView = <K extends ItemKind>(item: ItemOf<K>, answer: AnswerOf[K], beside: AnswerOf[K]): Html =>
  (shown[item.kind] as AnswerViews[K])(item, answer, beside);
