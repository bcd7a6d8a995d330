import type { Ceiling } from "./cut.ts";
import type { Usage } from "./generate.ts";

/** Told what a request used that ended before its last piece: by its signal, by an error, or by a reader that left. */
export type OnStopped = (usage: Usage) => void;

/** The terms on which a request runs, whatever it asks for. */
export interface Terms {
  /** Whose it is, where requests are scheduled: keys have equal shares. */
  readonly key?: string | undefined;
  /** Stops it within one step; it ends with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onStopped?: OnStopped | undefined;
  readonly ceiling?: Ceiling | undefined;
  /** On the clock of `performance.now()`: ends the answer with what it has by then, or refuses what was not begun. */
  readonly deadline?: number | undefined;
  /** Told when its turn has come. */
  readonly onBegun?: (() => void) | undefined;
}
