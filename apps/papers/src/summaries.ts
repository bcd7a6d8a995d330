import { load, openPipeline, type Receipt } from "modicum";
import { z } from "zod";
import { dayAt } from "./mail/period.ts";
import type { Paper, Summary } from "./paper.ts";
import type { Store } from "./store.ts";

export const summaryOptions = z.strictObject({
  summaries: z
    .string()
    .min(1)
    .optional()
    .describe("a model that summarises abstracts, or a pair such as smollm2>qwen2.5-coder@share=0.3 (default: none)"),
  save: z.array(z.string()).default([]).describe("a saving of the summarising model"),
  perDay: z.int().min(1).default(20).describe("maximum summaries tried per day"),
});

export type SummaryTerms = z.output<typeof summaryOptions>;

/** A model that writes answers to prompts. */
export interface Writer {
  write(prompt: string, signal: AbortSignal | undefined): Promise<{ text: string; receipt: Receipt }>;
  close(): void;
}

const MOST_TOKENS = 256;
const KEYWORDS = 5;

const answerSchema = z.object({ summary: z.string(), keywords: z.array(z.string()) });
const format = {
  type: "object",
  properties: {
    summary: { type: "string", minLength: 40, maxLength: 600 },
    keywords: {
      type: "array",
      items: { type: "string", minLength: 3, maxLength: 40 },
      minItems: 1,
      maxItems: KEYWORDS,
    },
  },
  required: ["summary", "keywords"],
  additionalProperties: false,
};

/** Opens a model with its savings, or a pair of models. @throws UserError */
export async function openWriter(name: string, save: readonly string[]): Promise<Writer> {
  const settings = { temperature: 0, maxTokens: MOST_TOKENS, format } as const;
  if (name.includes(">")) {
    const pair = await openPipeline(name);
    return {
      write: (prompt, signal) => pair.route(prompt, { ...settings, ...(signal && { signal }) }),
      close: () => pair.dispose(),
    };
  }
  const model = await load(name, { save: [...save] });
  return {
    write: (prompt, signal) => model.complete(prompt, { ...settings, ...(signal && { signal }) }),
    close: () => model.dispose(),
  };
}

/**
 * Summarises waiting papers, latest listed first, at most `perDay` in a day (UTC). Papers without an abstract get no
 * summary. Returns the number of summaries.
 */
export async function summarisePending(
  store: Store,
  writer: Writer,
  perDay: number,
  signal?: AbortSignal,
  now = Date.now(),
): Promise<number> {
  let [tried, written] = [await store.receipts.count("summary", Date.parse(dayAt(now))), 0];
  while (tried < perDay) {
    const ids = await store.papers.pending("summary", 1);
    if (ids.length === 0) break;
    const [paper] = await store.papers.many(ids);
    if (paper && paper.abstract !== "") {
      tried++;
      if (await summarise(store, writer, paper, signal, now)) written++;
    }
    await store.papers.done("summary", ids);
  }
  return written;
}

async function summarise(
  store: Store,
  writer: Writer,
  paper: Paper,
  signal: AbortSignal | undefined,
  now: number,
): Promise<boolean> {
  const { text, receipt } = await writer.write(promptFor(paper), signal);
  await store.receipts.add("summary", receipt, paper.id, now);
  const found = answerOf(text, paper);
  if (!found) return false;
  await store.papers.summarise(paper.id, { ...found, model: receipt.model, recipe: receipt.recipe, made: now });
  return true;
}

const promptFor = ({ title, abstract }: Paper): string =>
  `Summarise this paper in two sentences, and give up to ${KEYWORDS} key words from its abstract, as JSON with "summary" and "keywords".

Title: ${title}
Abstract: ${abstract}`;

/** The first two sentences, and the keywords found in the paper; undefined if the answer is not a whole sentence. */
function answerOf(text: string, { title, abstract }: Paper): Pick<Summary, "text" | "keywords"> | undefined {
  const answer = answerSchema.safeParse(parsed(text)).data;
  const summary = answer && twoSentences(answer.summary);
  if (!summary || !/[.!?]$/.test(summary)) return undefined;
  const words = `${title} ${abstract}`.toLowerCase();
  const found = answer.keywords.map((word) => word.trim()).filter((word) => words.includes(word.toLowerCase()));
  return { text: summary, keywords: [...new Set(found.filter((word) => word !== ""))] };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function twoSentences(text: string): string {
  const sentences = [...new Intl.Segmenter("en", { granularity: "sentence" }).segment(text.trim())];
  return sentences
    .slice(0, 2)
    .map(({ segment }) => segment)
    .join("")
    .trim();
}
