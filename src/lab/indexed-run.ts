import type { ResolveOptions } from "../weights/sources/index.ts";
import type { Task } from "./task.ts";

/** One model's run on one task with look-ups in an index. */
export interface IndexedRun {
  readonly model: string;
  readonly task: Task;
  readonly index: string;
  /** The index's Postgres address; undefined if the index is in files. */
  readonly store?: string | undefined;
  readonly out: string;
  readonly command: string;
  readonly version: string;
  readonly resolve: ResolveOptions;
  readonly signal?: AbortSignal | undefined;
  readonly notice: (sentence: string) => void;
}
