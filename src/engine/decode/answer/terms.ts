import type { Stopwatch } from "../../bill/stopwatch.ts";
import type { Ceiling } from "./cut.ts";
import type { Usage } from "./generate.ts";

/** Called with the usage of a request ended before its last piece by its signal, an error, or a reader that left. */
export type OnStopped = (usage: Usage) => void;

/** The conditions under which a request runs, whatever its options. */
export interface Terms {
  /** The key of the request's owner; a scheduler gives all keys equal shares. */
  readonly key?: string | undefined;
  /** Stops the request within one step; the request ends with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onStopped?: OnStopped | undefined;
  readonly ceiling?: Ceiling | undefined;
  /** The deadline, in `performance.now()` time: a running answer is cut then, and a waiting request is refused. */
  readonly deadline?: number | undefined;
  /** Started when the request arrived; if absent, the request arrives with the call. */
  readonly time?: Stopwatch | undefined;
  /** Called when the scheduler starts this request. */
  readonly onBegun?: (() => void) | undefined;
}
