import type { ByteForm, Spent } from "../graph/index.ts";
import type { ExitHead, StepProbe } from "../models/programs/step-probe.ts";
import type { KvRows } from "../models/state/cache.ts";
import type { Axes } from "../nn/rope-axes.ts";
import type { View } from "../runtime/buffer.ts";
import type { Choice, RequestFacts } from "./auto/guarantee.ts";
import type { AttentionSaving } from "./seams.ts";

export type { ExitHead, StepProbe } from "../models/programs/step-probe.ts";

/** A recipe's plan for one request, made before its first token. Dense is the empty plan. */
export interface Plan {
  /** Fills a layer's attention while the prompt runs; undefined: dense. */
  attention(layer: number): AttentionSaving | undefined;
  /** Ordered by depth. */
  readonly cuts: readonly Cut[];
  /** Guesses the answer's next tokens; undefined: the model reads them one by one. */
  readonly drafter?: Drafter | undefined;
  /** The form of the weights in bytes while the prompt's tokens run; absent: the model's own form. */
  readonly bytes?: ByteForm | undefined;
  readonly state: StateKeys;
  /** The recipe that a certificate chose; absent if none was asked. */
  readonly choice?: Choice | undefined;
}

/** Guesses what an answer goes on with, without the model, which then checks all guesses in one pass. One request's own. */
export interface Drafter {
  /** The lengths that its drafts have, for which checks are compiled. */
  readonly lengths: readonly number[];
  /** Likely tokens after `tokens` and `next`, at most `most`; none: the model reads `next` alone. */
  draft(tokens: readonly number[], next: number, most: number): readonly number[];
  /** Notes how many of the last draft's tokens were right. */
  judge(right: number): void;
}

/**
 * Identifies the states that requests leave: a prefix is reused only under the key of the plan that wrote it. "" is
 * dense's. `answer` undefined: the answer's state is never offered to others.
 */
interface StateKeys {
  readonly prompt: string | undefined;
  readonly answer: string | undefined;
}

/** A place between two layers where a decision is taken. */
export type Cut = PromptCut | StepCut;

/** All chunks of the prompt reach the cut, and their streams are kept, before any token goes deeper. */
export interface PromptCut {
  /** Layers that have run: 1 to the model's layers less one. */
  readonly after: number;
  readonly scope: "prompt";
  /** Reads a prompt before the decision; its cost is overhead. */
  readonly probe?: Probe;
  decide(seen: Seen): Decision;
}

/** Each generated token is decided by itself. */
export interface StepCut {
  readonly after: number;
  readonly scope: "step";
  /** Reads each generated token's stream at the cut; its cost is overhead. The token goes on if it finds a NaN. */
  readonly probe?: StepProbe;
  /** Decides the token of a row that leaves; absent: the probe's logits, or else the model's final norm and head. */
  readonly head?: ExitHead;
  /** The fill of its exits, if one is usual: its programs are then compiled before a request runs. */
  readonly fill?: StateFill;
  decide(seen: Seen): Decision;
}

/** The information that a cut decides on. */
export interface Seen {
  /** The row's tokens so far; for a cut with scope "prompt", the prompt's. */
  readonly tokens: number;
  /** For a cut with scope "prompt", the positions of the tokens at it; otherwise absent. */
  readonly positions?: readonly number[];
  /** The probe's output, `found`; empty without a probe. */
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
  /** The same by time, height and width, in a model whose positions have these axes. */
  readonly axes?: Axes<readonly number[]> | undefined;
  /** The last layer that ran, counted from 0. */
  readonly layer: number;
  readonly cache: KvRows;
  /** The last token's qkv of that layer before rotary embedding, [1, 1, (heads + 2·kvHeads)·headSize]. */
  qkv(): Promise<View>;
}

export type Decision =
  | { readonly kind: "continue" }
  /** The row's token is decided here; deeper layers are not called. Cuts of steps only. */
  | { readonly kind: "exit"; readonly fill: StateFill }
  /** The answer ends, and the token of this step is not emitted. Cuts of steps only. */
  | { readonly kind: "stop" }
  /** Only these of the tokens at the cut go deeper, by their indices here, in order; the last is always included. */
  | { readonly kind: "keep"; readonly positions: Int32Array };

/**
 * The entries that deeper layers get in place of the keys and values, or of the update of the state, of a token that exited (DYNAMAX b.7). `none`:
 * nothing, they are never read again; `copy-kv`: copied from the last layer that ran; `copy-hidden`: computed from
 * the stream at the exit; `recompute`: their own, computed when a later token goes deeper; `mask`: nothing, and later
 * tokens do not see the token there; `verify`: as `recompute`, but the token that was decided at the exit is only a draft.
 * The deep layers check all drafts in one pass, and the text is dense's. Of recurrent layers: `ssm-partial` updates
 * their states by the stream at the exit, `ssm-skip` leaves them as they are. A pair is of a hybrid: the first for its layers that
 * attend, the second for its recurrent ones.
 */
export const stateFills = ["copy-kv", "copy-hidden", "recompute", "mask", "ssm-partial", "ssm-skip"] as const;
export const mixedFills = ["copy-kv/ssm-partial", "copy-hidden/ssm-partial"] as const;
export type StateFill = (typeof stateFills)[number] | (typeof mixedFills)[number] | "verify" | "none";

/** One saving's contribution to a plan. */
export interface PlanPart {
  attention?(layer: number): AttentionSaving | undefined;
  readonly cuts?: readonly Cut[];
  readonly drafter?: Drafter | undefined;
  readonly bytes?: ByteForm | undefined;
  /** The saving's change to the state; absent if it changes nothing. */
  readonly state?: StateKeys;
  readonly choice?: Choice | undefined;
}

/** The facts known about a request before it runs. */
export interface PlanRequest {
  /** Tokens of the prompt. */
  readonly prompt: number;
  /** The prompt's images, in order. */
  readonly visual: readonly VisualSpan[];
  /** Absent of texts that are scored, and of a plan that programs are compiled for. */
  readonly facts?: RequestFacts | undefined;
}

/** An image in a prompt: consecutive tokens, row by row from the top left. */
export interface VisualSpan {
  /** The position of its first token. */
  readonly first: number;
  readonly grid: readonly [rows: number, columns: number];
}

const unchanged: StateKeys = { prompt: "", answer: "" };

export const densePlan: Plan = { attention: () => undefined, cuts: [], state: unchanged };

/** One plan of all parts. Their seams are known to be apart: `checkSeams`. */
export function planOf(parts: readonly PlanPart[]): Plan {
  if (parts.length === 0) return densePlan;
  const cuts = parts.flatMap(({ cuts = [] }) => cuts).toSorted((a, b) => a.after - b.after);
  const keys = parts.map(({ state = unchanged }) => state);
  const prompts = cuts.some(isRecurrent) ? [undefined] : keys.map(({ prompt }) => prompt);
  return {
    attention: (layer) => parts.map((part) => part.attention?.(layer)).find((saving) => saving !== undefined),
    cuts,
    drafter: parts.find(({ drafter }) => drafter !== undefined)?.drafter,
    bytes: parts.find(({ bytes }) => bytes !== undefined)?.bytes,
    state: { prompt: joined(prompts), answer: joined(keys.map(({ answer }) => answer)) },
    choice: parts.find(({ choice }) => choice !== undefined)?.choice,
  };
}

/** True if the cut's probe reads the whole prompt: no cached prefix has its state. */
export const isRecurrent = (cut: Cut): cut is StepCut => cut.scope === "step" && cut.probe?.stateSize !== undefined;

/** One part that offers nothing makes the whole offer nothing. */
const joined = (keys: readonly (string | undefined)[]): string | undefined =>
  keys.includes(undefined) ? undefined : keys.filter((key) => key !== "").join("; ");
