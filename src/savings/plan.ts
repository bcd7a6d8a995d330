import type { Spent } from "../graph/index.ts";
import type { KvRows } from "../models/cache.ts";
import type { View } from "../runtime/buffer.ts";
import type { AttentionSaving } from "./seams.ts";

/** A recipe's plan for one request, made before its first token. Dense is the empty plan. */
export interface Plan {
  /** Fills a layer's attention while the prompt runs; undefined: dense. */
  attention(layer: number): AttentionSaving | undefined;
  /** Ordered by depth. */
  readonly cuts: readonly Cut[];
  readonly state: StateKeys;
}

/**
 * Identifies the states that requests leave: a prefix is reused only under the key of the plan that wrote it. "" is
 * dense's. `answer` undefined: the answer's state is never offered to others.
 */
export interface StateKeys {
  readonly prompt: string | undefined;
  readonly answer: string | undefined;
}

/** A place between two layers where a decision is taken. */
export interface Cut {
  /** Layers that have run: 1 to the model's layers less one. */
  readonly after: number;
  /**
   * `step`: each generated token is decided by itself. `prompt`: all chunks of the prompt reach the cut, and their
   * streams are kept, before any token goes deeper.
   */
  readonly scope: "step" | "prompt";
  /** Reads a prompt before the decision; its cost is overhead. Cuts of steps are not probed yet. */
  readonly probe?: Probe;
  decide(seen: Seen): Decision;
}

/** The information that a cut decides on. */
export interface Seen {
  /** The row's tokens so far; for a cut with scope "prompt", the prompt's. */
  readonly tokens: number;
  /** The probe's output; empty without a probe. */
  readonly probed: Float32Array;
}

/** Reads one row at a cut. */
export interface Probe {
  look(at: ProbePoint): Promise<{ readonly found: Float32Array; readonly cost: Spent }>;
}

export interface ProbePoint {
  /** Tokens at the cut: entries of `layer` in the cache. */
  readonly tokens: number;
  /** Their positions in the prompt. */
  readonly positions: readonly number[];
  /** The last layer that ran, counted from 0. */
  readonly layer: number;
  readonly cache: KvRows;
  /** The last token's qkv of that layer before rotary embedding, [1, 1, (heads + 2·kvHeads)·headSize]. */
  qkv(): Promise<View>;
}

export type Decision =
  | { readonly kind: "continue" }
  /** The row's token is decided here by the shared head; deeper layers are not called. */
  | { readonly kind: "exit"; readonly fill: StateFill }
  /** Only these of the tokens at the cut go deeper, by their indices here, in order; the last is always included. */
  | { readonly kind: "keep"; readonly positions: Int32Array };

/**
 * The values that deeper layers get in place of the keys and values of a token that exited (DYNAMAX b.7). `none`:
 * nothing, they are never read again; `copy-kv`: those of the last layer that ran; `copy-hidden`: those computed from
 * the stream at the exit; `recompute`: their own, computed when a later token goes deeper; `mask`: nothing, and later
 * tokens do not see the token there.
 */
export const stateFills = ["copy-kv", "copy-hidden", "recompute", "mask"] as const;
export type StateFill = (typeof stateFills)[number] | "none";

/** One saving's contribution to a plan. */
export interface PlanPart {
  attention?(layer: number): AttentionSaving | undefined;
  readonly cuts?: readonly Cut[];
  /** The saving's change to the state; absent if it changes nothing. */
  readonly state?: StateKeys;
}

/** The facts known about a request before it runs. */
export interface PlanRequest {
  /** Tokens of the prompt. */
  readonly prompt: number;
}

const unchanged: StateKeys = { prompt: "", answer: "" };

export const densePlan: Plan = { attention: () => undefined, cuts: [], state: unchanged };

/** One plan of all parts. Their seams are known to be apart: `checkSeams`. */
export function planOf(parts: readonly PlanPart[]): Plan {
  if (parts.length === 0) return densePlan;
  const keys = parts.map(({ state = unchanged }) => state);
  return {
    attention: (layer) => parts.map((part) => part.attention?.(layer)).find((saving) => saving !== undefined),
    cuts: parts.flatMap(({ cuts = [] }) => cuts).toSorted((a, b) => a.after - b.after),
    state: { prompt: joined(keys.map(({ prompt }) => prompt)), answer: joined(keys.map(({ answer }) => answer)) },
  };
}

/** One part that offers nothing makes the whole offer nothing. */
const joined = (keys: readonly (string | undefined)[]): string | undefined =>
  keys.includes(undefined) ? undefined : keys.filter((key) => key !== "").join("; ");
