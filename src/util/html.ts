/** Text that is already HTML. */
export class Html {
  constructor(readonly text: string) {}
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for HTML and XML, between tags and in quoted attributes; characters that XML forbids become U+FFFD. */
export const escaped = (text: string): string =>
  text.replace(forbidden, "\ufffd").replace(/[&<>"']/g, (mark) => entities[mark]!);

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML forbids, with halves of surrogate pairs
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu;

type Value = Html | string | number | readonly Html[];

const written = (value: Value): string => {
  if (value instanceof Html) return value.text;
  return typeof value === "object" ? value.map(({ text }) => text).join("") : escaped(String(value));
};

/** HTML with inserted values; every value that is not `Html` is escaped. */
export const html = (strings: TemplateStringsArray, ...values: readonly Value[]): Html =>
  new Html(strings.reduce((text, string, i) => text + written(values[i - 1]!) + string));
