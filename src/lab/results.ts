/** The files of a lab run; their field names are a public contract. */
import { z } from "zod";
import { receiptSchema } from "../ledger/receipt.ts";
import { questionForm } from "../weights/tokenizer/index.ts";
import { real } from "./reals.ts";

const interval = z.tuple([real, real]);

/** A line of results.jsonl: one item under one recipe. */
export const resultSchema = z.object({
  item: z.string(),
  /** Identifies the question: items with the same id in two runs may be different questions. */
  item_hash: z.string().optional(),
  /** The recipe in its normal form; `dense` is the empty recipe. */
  recipe: z.string(),
  /** SHA-256 (the first sixteen digits) of the recipe's files, by their paths as written in the recipe. */
  files: z.record(z.string(), z.string()).optional(),
  answer: z.json(),
  /** The item's part of each metric. */
  parts: z.record(z.string(), z.array(real)),
  /** `spent` includes `overhead`, the savings' own work, if known. */
  flops: z.object({ dense: z.number(), spent: z.number(), overhead: z.number().optional() }),
  /** Bytes read and written, from the operators' cost rules. */
  bytes: z.object({ dense: z.number(), spent: z.number() }).optional(),
  /** Counters that the recipe changed, as in a receipt: layers, blocks, exits, drafts …; absent in older results. */
  work: receiptSchema.shape.work,
  /** Tokens of the prompt that are billed, but were computed for an earlier item; the time excludes them. */
  shared: z.int().min(0).optional(),
  ms: z.number(),
});

const recipeSummary = z.object({
  recipe: z.string(),
  /** The recipe's savings, with absolute file paths, if the text alone does not identify them or locate their files. */
  steps: z.array(z.string()).optional(),
  /** The recipe's savings with every option and absolute file paths; absent in older summaries. */
  resolved: z.array(z.string()).optional(),
  quality: real,
  ci95: interval,
  /** The metric minus dense's, paired on the same items; positive is higher, whether better or not. */
  delta: z.object({ mean: real, ci95: interval }),
  /** For generated answers: the share identical to dense's, and the mean edit similarity to dense's. */
  consistency: z.object({ same: real, similarity: real }).optional(),
  /** The share of empty answers, for generated answers. */
  empty: real.optional(),
  /**
   * The effect of a recipe: the share of items on which it acted, and the largest relative change of a work counter.
   */
  acted: z.object({ items: real, change: real }).optional(),
  /** 1 − spent/dense. */
  flops_saved: z.number(),
  /**
   * FLOPs spent. An answer longer than dense's may cost more than dense's, even if it saves FLOPs at equal length.
   */
  flops_per_item: z.number().optional(),
  ms_per_item: z.number(),
  bytes_per_item: z.number().optional(),
  /** Tokens of prompts that were computed once for several items, and billed to each. */
  shared_tokens: z.int().min(0).optional(),
  on_frontier: z.boolean(),
  /** The task's other metrics. */
  others: z.record(z.string(), z.object({ quality: real, ci95: interval })),
});

/** The settings that a search tried, and its cost. */
const searched = z.object({
  search: z.string(),
  probes: z.number(),
  flops: z.number(),
  /** Minutes spent on answering. */
  minutes: z.number(),
  /** The reason that the search ended: a setting was found, or the budget was spent. */
  ended: z.enum(["found", "budget"]),
});

export const summarySchema = z.object({
  task: z.string(),
  metric: z.object({ name: z.string(), better: z.enum(["higher", "lower"]) }),
  model: z.string(),
  /** Absolute path of a model that is the user's own file or folder. */
  model_file: z.string().optional(),
  /** SHA-256 of the model's file or folder; results of another model are refused. */
  model_hash: z.string(),
  /** Form of the weights. */
  quant: z.string().optional(),
  seed: z.number(),
  /** The run's `--limit`; absent in older runs. Null means all items; a null `truncate` means that no prompt is cut. */
  limit: z.number().nullable().optional(),
  truncate: z.string().nullable().optional(),
  /** Absent in older runs. */
  prompt: questionForm.optional(),
  /** The LoRA adapter for every item: its folder, relative to the run's working directory, and the SHA-256 of its weights. */
  adapter: z.object({ folder: z.string(), sha256: z.string() }).optional(),
  /** The number of answers generated together. */
  rows: z.number().optional(),
  items: z.number(),
  /** The accuracy of guessing, for items with choices or labels. */
  chance: real.optional(),
  /** The number of items whose prompt does not fit the model's context; every recipe leaves them out. */
  too_long: z.number(),
  /** The number of texts, including documents, that an encoder cut at their ends. */
  cut_texts: z.int().min(1).optional(),
  recipes: z.array(recipeSummary),
  searches: z.array(searched).optional(),
  /** The command to repeat the run, and its machine and versions. */
  command: z.string(),
  machine: z.string(),
  versions: z.record(z.string(), z.string()),
  created: z.iso.datetime(),
});

export type Result = z.infer<typeof resultSchema>;
export type RecipeSummary = z.infer<typeof recipeSummary>;
export type SearchRecord = z.infer<typeof searched>;
export type Summary = z.infer<typeof summarySchema>;
