import { type Html, html } from "../../../util/html.ts";
import { placeOf } from "../../metrics/contains.ts";

/** The number of characters shown of a text's beginning, of its end, and on either side of a highlight. */
const [HEAD, TAIL, ABOUT] = [400, 1200, 120];
/** The maximum number of highlights: a question may have many correct answers. */
const PLACES = 8;

/** A range in a text. */
type Span = readonly [from: number, to: number];

/** A long text without its middle, except around the first occurrence of each of the item's answers. */
export function shortened(text: string, answers: readonly string[] = []): Html {
  if (text.length <= HEAD + TAIL) return html`${text}`;
  const places = answers.slice(0, PLACES).map((answer) => spanAbout(text, answer));
  const spans = joined([[0, HEAD], [text.length - TAIL, text.length], ...places.filter((span) => span !== undefined)]);
  return html`${spans.map(([from, to], i) => html`${i === 0 ? "" : gap(from - spans[i - 1]![1])}${text.slice(from, to)}`)}`;
}

function spanAbout(text: string, answer: string): Span | undefined {
  const at = placeOf(text, answer);
  return at < 0 ? undefined : [Math.max(0, at - ABOUT), Math.min(text.length, at + answer.length + ABOUT)];
}

/** Sorts ranges by their start and joins ranges that touch. */
function joined(spans: readonly Span[]): Span[] {
  const whole: Span[] = [];
  for (const [from, to] of spans.toSorted(([a], [b]) => a - b)) {
    const last = whole.at(-1);
    if (last && from <= last[1]) whole[whole.length - 1] = [last[0], Math.max(last[1], to)];
    else whole.push([from, to]);
  }
  return whole;
}

const gap = (characters: number): Html =>
  html`<em class="cut"> … ${characters.toLocaleString("en")} characters left out … </em>`;
