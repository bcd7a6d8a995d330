import { z } from "zod";
import { titleKey } from "./identity.ts";

/** A day as `2025-12-10`. */
export type Day = string;

const isDay = (text: string): boolean => {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
};

export const daySchema = z
  .string("expected a day such as 2025-12-10")
  .regex(/^\d{4}-\d\d-\d\d$/, "expected a day such as 2025-12-10")
  .refine(isDay, "there is no such day");

const count = z.int("expected a whole number").min(0, "expected 0 or more");
export const webAddress = z.url({ protocol: /^https?$/, error: "expected an http or https address" });

/** A source's description of one paper. Missing fields are unknown: `null`, or an empty list. */
export const paperInputSchema = z.object({
  /** The arXiv identifier without its version, such as `2503.16428`. */
  arxiv: z.string("expected a text").nullable().default(null),
  title: z
    .string("expected a text")
    .trim()
    .refine((title) => titleKey(title) !== "", "expected a title with a letter or digit"),
  /** Empty if unknown. */
  abstract: z.string("expected a text").trim().default(""),
  authors: z.array(z.string("expected a text").min(1)).min(1).nullable().default(null),
  authorCount: count.nullable().default(null),
  /** The day of publication. */
  published: daySchema.nullable().default(null),
  /** True if the source gave the day of `published` without a year. */
  yearAssumed: z.boolean().default(false),
  /** The day on which the source listed the paper. */
  listed: daySchema.nullable().default(null),
  votes: count.nullable().default(null),
  comments: count.nullable().default(null),
  links: z.array(webAddress).default([]),
  /** arXiv's categories, such as `cs.CL`. */
  categories: z.array(z.string("expected a text")).default([]),
});

export type PaperInput = z.input<typeof paperInputSchema>;
export type PaperFields = Readonly<z.output<typeof paperInputSchema>>;

/** Two sentences and keywords that a model wrote about an abstract. */
export interface Summary {
  readonly text: string;
  readonly keywords: readonly string[];
  readonly model: string;
  readonly recipe: readonly string[];
  /** Milliseconds since 1970. */
  readonly made: number;
}

export interface TopicScore {
  readonly label: string;
  /** The label's cosine minus its mean over the reference collection, in standard deviations. */
  readonly score: number;
}

/** A stored paper. */
export interface Paper extends Omit<PaperFields, "listed"> {
  /** The paper's address: its arXiv identifier with `-` for `/`, or its title in lower case. */
  readonly id: string;
  /** The newest day on which a source listed the paper; null if no source did. */
  readonly listed: Day | null;
  /** The numbers of readers here who voted for the paper or read it. `votes` counts the sources' votes. */
  readonly readers: { readonly votes: number; readonly reads: number };
  readonly topics: readonly TopicScore[];
  readonly summary: Summary | null;
}

/** A reader's marks on a paper. */
export const markKinds = ["vote", "save", "read"] as const;
export type MarkKind = (typeof markKinds)[number];
