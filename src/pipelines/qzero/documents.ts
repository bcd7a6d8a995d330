import { z } from "zod";

/** A document from the caller. */
export const evidenceDocument = z.object({
  id: z.string("expected a text").default(""),
  title: z.string("expected a text").default(""),
  score: z.number("expected a number").optional(),
  categories: z.array(z.string("expected a text"), "expected a list of texts").readonly(),
});

/** A document found for a text, or passed by the caller. */
export type CategorisedDocument = Readonly<z.output<typeof evidenceDocument>>;

/**
 * Matches Wikipedia's maintenance categories by their first or last words. Births, deaths and living people are
 * included, since they do not describe a topic.
 */
const MAINTENANCE =
  /^(?:articles|all (?:articles|pages|stub|accuracy|wikipedia)|pages|wikipedia|webarchive|cs1|use (?:dmy|mdy|british|american|\w+ english)|short description|commons|coordinates|good articles|featured articles|living people|template|accuracy disputes|vague or ambiguous|harv and sfn|engvarb|redirects)\b|\b(?:stubs|births|deaths|stub articles|on wikidata)$/i;

export const isMaintenance = (category: string): boolean => MAINTENANCE.test(category.trim());

/** The documents' categories in order, with repetitions. */
export const categoriesOf = (documents: readonly CategorisedDocument[], filter: boolean): string[] =>
  documents.flatMap(({ categories }) => categories.filter((it) => it.trim() !== "" && !(filter && isMaintenance(it))));

/** The minimum number of words in a passage that counts as the beginning of a longer text. */
const PREFIX_WORDS = 20;

/** True if a document's passage is the text itself, or the text begins with it. */
export function isExact(text: string, { title, text: passage }: { readonly title: string; readonly text: string }) {
  const [whole, part, titled] = [plain(text), plain(passage), plain(`${title} ${passage}`)];
  return whole === part || whole === titled || (part.split(" ").length >= PREFIX_WORDS && whole.startsWith(part));
}

const plain = (text: string): string => text.toLowerCase().replace(/\s+/g, " ").trim();
