import type { AnswerOf, Item, ItemKind, ItemOf, Likelihood } from "../../item.ts";
import { figure } from "../format.ts";
import { type Html, html } from "./html.ts";

/** Characters of a prompt or text that are shown; the middle of a longer one is left out. */
const SHOWN = 1600;

export function shortened(text: string): Html {
  if (text.length <= SHOWN) return html`${text}`;
  const left = text.length - SHOWN;
  return html`${text.slice(0, SHOWN / 4)}<em class="cut"> … ${left.toLocaleString("en")} characters left out … </em>${text.slice(-(SHOWN * 3) / 4)}`;
}

/** What an item asks, and what is right. */
export function question(item: Item): Html {
  switch (item.kind) {
    case "choice":
      return html`<pre>${shortened(item.choices[0]!.context)}</pre><p>Right: <q>${item.choices[item.gold]!.continuation.trim()}</q></p>`;
    case "continuation":
      return html`<pre>${shortened(item.context)}</pre><p>Goes on: <q>${item.continuation.trim()}</q></p>`;
    case "generation":
      return html`<pre>${shortened(item.prompt)}</pre><p>Right: ${quoted(item.answers)}</p>`;
    case "text":
      return html`<pre>${shortened(item.text)}</pre>`;
    case "label":
      return html`<pre>${shortened(item.text)}</pre><p>Right: <q>${item.labels[item.gold]!}</q></p>`;
    case "ranking":
      return html`<pre>${shortened(item.query)}</pre>`;
  }
}

const quoted = (texts: readonly string[]): Html[] =>
  texts.slice(0, 5).map((text, i) => html`${i === 0 ? "" : " or "}<q>${shortened(text)}</q>`);

type Shown = { [K in ItemKind]: (item: ItemOf<K>, answer: AnswerOf[K], beside: AnswerOf[K]) => Html };

const shown: Shown = {
  choice: ({ choices, gold }, { likelihoods }) => {
    const rows = choices.map(({ continuation }, i) => ({
      text: continuation.trim(),
      score: likelihoods[i]!.logLikelihood,
    }));
    return scores(rows, gold);
  },
  continuation: (_item, likelihood) =>
    html`<p>${likelihoodText(likelihood)}; greedy decoding ${likelihood.greedy ? "gives it" : "gives another"}</p>`,
  generation: (_item, { text }, beside) =>
    html`<pre>${text === "" ? html`<em>nothing</em>` : marked(text, beside.text)}</pre>`,
  text: (_item, likelihood) => html`<p>${likelihoodText(likelihood)}</p>`,
  label: ({ labels, gold }, answer) => {
    const rows = labels.map((text, i) => ({ text, score: answer.scores[i]!, i })).sort((a, b) => b.score - a.score);
    return scores(
      rows.slice(0, 5),
      rows.findIndex(({ i }) => i === gold),
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
  `log-likelihood ${figure(logLikelihood)} nats, ${figure(logLikelihood / tokens)} a token`;

/** Choices with their scores: the greatest in bold, the right one ticked. */
function scores(rows: readonly { text: string; score: number }[], gold: number): Html {
  const top = Math.max(...rows.map(({ score }) => score));
  const line = ({ text, score }: { text: string; score: number }, i: number) => {
    const words = html`${shortened(text)}: ${figure(score)}${i === gold ? " ✓" : ""}`;
    return score === top ? html`<li><strong>${words}</strong></li>` : html`<li>${words}</li>`;
  };
  return html`<ul>${rows.map(line)}</ul>`;
}

/** A text with what comes after its common beginning with another marked. */
function marked(text: string, other: string): Html {
  let same = 0;
  while (same < text.length && text[same] === other[same]) same++;
  // Words are marked whole.
  while (same > 0 && same < text.length && /\w/.test(text[same - 1]!)) same--;
  const rest = text.slice(same);
  return html`${shortened(text.slice(0, same))}${rest === "" ? "" : html`<mark>${shortened(rest)}</mark>`}`;
}

/** A model's answer to an item, to be read beside another one's. */
export const answerView = <K extends ItemKind>(item: ItemOf<K>, answer: AnswerOf[K], beside: AnswerOf[K]): Html =>
  (shown[item.kind] as Shown[K])(item, answer, beside);
