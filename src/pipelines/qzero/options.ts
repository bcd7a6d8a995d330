import { z } from "zod";
import { rankers } from "../../retrieval/search.ts";
import { checkedNamed } from "../../util/named-options.ts";

/** The reader of a text: word vectors, or an encoder. */
export const SCORER_KINDS = ["words", "encoder"] as const;
export type ScorerKind = (typeof SCORER_KINDS)[number];

const modes = ["replace", "append", "interpolate"] as const;

/** Defaults for word vectors that differ from the defaults for encoders. */
const ofWords = { alpha: 0.25, when: "always" } as const;

/** Options for classifying with retrieved categories. The paper uses `replace`, `always` and 50 documents. */
export const qzeroOptions = z.strictObject({
  mode: z
    .enum(modes)
    .default("interpolate")
    .describe("replace the text by the categories, append them to it, or score both and interpolate"),
  alpha: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe(`interpolate: the share of the categories' score (word vectors: ${ofWords.alpha})`),
  when: z
    .enum(["always", "margin"])
    .default("margin")
    .describe(`look up every text, or only texts whose two best labels are close (word vectors: ${ofWords.when})`),
  margin: z
    .number()
    .min(0)
    .default(0.05)
    .describe("look a text up if the cosines of its two best labels differ by less than this"),
  topK: z.int().min(1).max(999).default(5).describe("number of documents whose categories are read"),
  retriever: z.enum(rankers).optional().describe("bm25, dense or hybrid (default: hybrid, or bm25 without vectors)"),
  maxTokens: z
    .int()
    .min(1)
    .default(500)
    .describe("maximum tokens of a text with categories, within the encoder's own limit"),
  keywords: z
    .enum(["nouns", "content"])
    .default("nouns")
    .describe("word vectors: read the nouns of English categories, or all words but stop words"),
  categoryFilter: z.boolean().default(false).describe("leave out categories for editors, such as stubs"),
  excludeExact: z.boolean().default(false).describe("leave out documents with the very same text"),
});
const { alpha, when } = qzeroOptions.shape;

/** The defaults of mode, alpha, when, margin and topK are the best of 64 settings for each kind (research/qzero/choice). */
const optionsOf = {
  encoder: qzeroOptions,
  words: qzeroOptions.extend({
    alpha: alpha.unwrap().default(ofWords.alpha),
    when: when.unwrap().default(ofWords.when),
  }),
};

export type QZeroOptions = z.output<typeof qzeroOptions>;
export type QZeroInput = z.input<typeof qzeroOptions>;

/** Options with a kind's defaults; a margin alone means `when=margin`. @throws UserError that names the option */
export const checkQZeroOptions = (input: QZeroInput, kind: ScorerKind): QZeroOptions =>
  checkedNamed("qzero", optionsOf[kind], {
    ...input,
    when: input.when ?? (input.margin === undefined ? undefined : "margin"),
  });

/** The user's options as receipts show them: `qzero:mode=replace,topK=10`. */
export function qzeroText(input: QZeroInput): string {
  const pairs = Object.entries(input).filter(([, value]) => value !== undefined);
  return ["qzero", pairs.map(([key, value]) => `${key}=${value}`).join(",")].filter((part) => part !== "").join(":");
}
