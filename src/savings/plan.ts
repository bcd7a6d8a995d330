import type { ByteForm, Spent } from "../graph/index.ts";
import type { ExitHead, StepProbe } from "../models/programs/step-probe.ts";
import type { KvRows } from "../models/state/cache.ts";
import type { Axes } from "../nn/rope-axes.ts";
import type { View } from "../runtime/buffer.ts";
import type { Choice, RequestFacts } from "./auto/guarantee.ts";
import type { AttentionSaving } from "./seams.ts";

export type { ExitHead, StepProbe } from "../models/programs/step-probe.ts";

/** A recipe's plan for one request, made before its first token. The empty plan is dense. */
export interface Plan {
  /** Replaces a layer's attention during the prompt; undefined if it is dense. */
  attention(layer: number): AttentionSaving | undefined;
  /** Ordered by depth. */
  readonly cuts: readonly Cut[];
  /** Drafts the answer's next tokens; if undefined, each step yields one token. */
  readonly drafter?: Drafter | undefined;
  /** The byte form of the weights for the prompt's tokens; by default, the model's own form. */
  readonly bytes?: ByteForm | undefined;
  readonly state: StateKeys;
  /** The recipe that a certificate chose; absent without a certificate. */
  readonly choice?: Choice | undefined;
}

/** Drafts a request's next tokens without the model, which then checks the draft in one pass. */
export interface Drafter {
  /** The possible lengths of drafts; a checking program is compiled for each. */
  readonly lengths: readonly number[];
  /** At most `most` likely tokens after `tokens` and `next`; if empty, the model runs only `next`. */
  draft(tokens: readonly number[], next: number, most: number): readonly number[];
  /** Records how many tokens of the last draft were correct. */
  judge(right: number): void;
  /** Reads the latest tokens' residual stream after the last layer, before `draft` or `judge`; absent if not needed. */
  read?(stream: LastStream): void;
  /** The cost of drafting since the last call; absent if it costs nothing. */
  takeCost?(): Spent;
}

/** The two summands of the residual stream, [1, tokens, hidden] each; later runs overwrite them. */
export type LastStream = Readonly<Record<"branch" | "residual", View>>;

/**
 * Identifies cached states: a prefix is reused only if its key equals the key of the plan that wrote it. The key of
 * dense plans is "". If `answer` is undefined, the answer's state is never reused.
 */
interface StateKeys {
  readonly prompt: string | undefined;
  readonly answer: string | undefined;
}

/** A decision between two layers. */
export type Cut = PromptCut | StepCut;

/** A decision on the whole prompt, whose chunks all reach the cut before any token continues. */
export interface PromptCut {
  /** The number of layers before the cut: at least 1, and fewer than the model's layers. */
  readonly after: number;
  readonly scope: "prompt";
  /** Reads the prompt before the decision, billed as overhead. */
  readonly probe?: Probe;
  decide(inputs: CutInputs): Decision;
}

/** A decision for each generated token. */
export interface StepCut {
  readonly after: number;
  readonly scope: "step";
  /** Reads each token's residual stream at the cut, billed as overhead. If the result is NaN, the token continues. */
  readonly probe?: StepProbe;
  /**
   * Predicts the token of a row that exits. If absent, the probe's logits are used; without these, the model's own
   * final norm and head.
   */
  readonly head?: ExitHead;
  /** The usual fill of the cut's exits, if any, whose programs are compiled before a request runs. */
  readonly fill?: StateFill;
  decide(inputs: CutInputs): Decision;
}

/** The inputs of a cut's decision. */
export interface CutInputs {
  /** The number of tokens in the row so far or, for a cut with scope "prompt", in the prompt. */
  readonly tokens: number;
  /** The positions of the prompt's tokens, for a cut with scope "prompt". */
  readonly positions?: readonly number[];
  /** The probe's output, `found`; empty without a probe. */
  readonly probed: Float32Array;
}

/** Reads one row at a cut. */
export interface Probe {
  look(at: ProbePoint): Promise<{ readonly found: Float32Array; readonly cost: Spent }>;
}

export interface ProbePoint {
  /** The number of tokens at the cut, equal to the number of `layer`'s cache entries. */
  readonly tokens: number;
  /** The tokens' positions in the prompt. */
  readonly positions: readonly number[];
  /** The tokens' positions by time, height and width, for models whose positions have these axes. */
  readonly axes?: Axes<readonly number[]> | undefined;
  /** The last layer that ran, counted from 0. */
  readonly layer: number;
  readonly cache: KvRows;
  /** The last token's qkv in that layer before rotary embedding, [1, 1, (heads + 2·kvHeads)·headSize]. */
  qkv(): Promise<View>;
}

export type Decision =
  | { readonly kind: "continue" }
  /** The row's token is chosen here, and deeper layers do not run. Only for cuts with scope "step". */
  | { readonly kind: "exit"; readonly fill: StateFill }
  /** The answer ends without this step's token. Only for cuts with scope "step". */
  | { readonly kind: "stop" }
  /** Deeper layers process only the tokens at these ascending indices; the last token is always included. */
  | { readonly kind: "keep"; readonly positions: Int32Array };

/**
 * State for the layers an exited token skips: keys and values, or recurrent state (DYNAMAX b.7). `none`: nothing,
 * because it is never read again; `copy-kv`: copied from the last layer that ran; `copy-hidden`: computed from the
 * stream at the exit; `recompute`: the layers' own state, computed when a later token goes deeper; `mask`: nothing, and later
 * tokens do not see the token there; `verify`: like `recompute`, but the exit's token is only a draft. The deep layers
 * check all drafts in one pass, and the text equals a dense run's. For recurrent layers, `ssm-partial` updates their
 * states from the stream at the exit, and `ssm-skip` leaves them unchanged. A pair is for hybrids: the first fill is
 * for attention layers, the second for recurrent layers.
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
  /** The number of prompt tokens. */
  readonly prompt: number;
  /** The prompt's images, in order. */
  readonly visual: readonly VisualSpan[];
  /** Absent for scored texts, and for plans made only to compile programs. */
  readonly facts?: RequestFacts | undefined;
}

/** An image in a prompt: consecutive tokens, row by row from the top left. */
export interface VisualSpan {
  /** The position of the image's first token. */
  readonly first: number;
  readonly grid: readonly [rows: number, columns: number];
}

const unchanged: StateKeys = { prompt: "", answer: "" };

export const densePlan: Plan = { attention: () => undefined, cuts: [], state: unchanged };

/** Combines parts into one plan. No two parts act on the same seam: see `checkSeams`. */
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

/** True if the cut's probe keeps state and so reads the whole prompt, since cached prefixes lack this state. */
export const isRecurrent = (cut: Cut): cut is StepCut => cut.scope === "step" && cut.probe?.stateSize !== undefined;

/** If one part's state cannot be reused, the whole state cannot. */
const joined = (keys: readonly (string | undefined)[]): string | undefined =>
  keys.includes(undefined) ? undefined : keys.filter((key) => key !== "").join("; ");
