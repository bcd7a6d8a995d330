import { z } from "zod";
import { sha256Of } from "../../util/hash.ts";
import type { Reply, Setting } from "../answer/index.ts";
import type { Document, Item } from "../item.ts";
import { resultSchema } from "../results.ts";
import type { FileHashes } from "../run/recipe-files.ts";

/** Items that a worker answers together, with all their settings. */
export interface Job {
  /** Modicum's version, which must also be the worker's. */
  readonly version: string;
  /** The model's name, or the absolute path of a file that the worker also has. */
  readonly model: string;
  readonly modelHash: string;
  readonly quant: Setting["quant"];
  readonly truncate: Setting["truncate"] | null;
  /** The savings in order, with absolute file paths. */
  readonly recipe: readonly string[];
  /** Hashes of the recipe's files, which the worker must also have. */
  readonly files: FileHashes;
  /** True if the items form one group. */
  readonly together: boolean;
  readonly items: readonly Item[];
  /** The corpus shared by ranking items, which then carry no documents of their own. */
  readonly documents?: readonly Document[];
}

/** A worker's result: one answer per item, in order. */
export const answersSchema = z.array(
  resultSchema
    .pick({ answer: true, flops: true, bytes: true, work: true, shared: true, ms: true })
    .required({ bytes: true }),
);

export type JobAnswers = (Reply & { ms: number })[];

/** The maximum number of items in a job without a group: if the job's worker dies, its items are answered again. */
const ITEMS = 4;

/** Jobs for all items: one job per group; independent items are divided into jobs of a few. */
export function jobsOf(
  groups: readonly (readonly Item[])[],
  setting: Omit<Job, "items" | "documents" | "together">,
): Job[] {
  const together = groups.some(({ length }) => length > 1);
  const items = groups.flat();
  const starts = Array.from({ length: Math.ceil(items.length / ITEMS) }, (_, i) => i * ITEMS);
  const parts = together ? groups : starts.map((start) => items.slice(start, start + ITEMS));
  return parts.map((part) => ({ ...setting, together, ...packed(part) }));
}

function packed(items: readonly Item[]): Pick<Job, "items" | "documents"> {
  const [first] = items;
  if (first?.kind !== "ranking") return { items };
  const shared = items.every((item) => item.kind === "ranking" && item.documents === first.documents);
  return shared ? { items: items.map((item) => ({ ...item, documents: [] })), documents: first.documents } : { items };
}

/** The job's original items. */
export const unpacked = ({ items, documents }: Job): readonly Item[] =>
  documents === undefined ? items : items.map((item) => (item.kind === "ranking" ? { ...item, documents } : item));

/** Equal jobs have the same id, so Redis keeps one of them. */
export const jobId = (job: object): string => sha256Of(JSON.stringify(job));
