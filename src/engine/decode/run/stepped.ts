import type { Cost } from "../../../graph/op.ts";
import { type Decision, densePlan, type Plan, type StateFill, type StepCut } from "../../../savings/plan.ts";
import type { Meter, PartRun } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import { PREFILL_CHUNK } from "./chunk.ts";

/** The maximum number of tokens that may wait for verification. */
export const DRAFTS = 8;

/** A sequence's part in a decode step. */
export interface Step {
  readonly slot: Slot;
  /** If absent, only tokens that wait for verification run. */
  readonly token?: number | undefined;
  /** Guesses for the tokens after `token`; all run in one pass, which checks them. */
  readonly ahead?: readonly number[] | undefined;
  readonly meter: Meter;
  /** If absent, the step is dense. */
  readonly plan?: Plan | undefined;
  /** The maximum number of tokens that may wait for verification after this step; DRAFTS if absent. */
  readonly drafts?: number | undefined;
  /** True if the token belongs to a given text, which cannot stop early as an answer can. */
  readonly forced?: boolean | undefined;
}

/** The outcome of a step for one sequence. The slot's next step overwrites the logits [vocabulary]. */
export type Outcome =
  /** The next token is chosen from the logits. */
  | { readonly kind: "token"; readonly logits: Float32Array }
  /** The logits give only a draft: the step's token waits for verification. */
  | { readonly kind: "draft"; readonly logits: Float32Array }
  /**
   * The model's own logits after each waiting token, and after the step's token: `Engine.keep` decides which tokens are
   * kept. `stops`, the runs over the step's token, is present if the answer ends once all drafts prove right; that
   * token counts as a draft, but is dropped.
   */
  | { readonly kind: "checked"; readonly logits: readonly Float32Array[]; readonly stops?: readonly PartRun[] }
  /** The answer ends without a next token. */
  | { readonly kind: "stop" };

/** The logits of a step that decides a token. @throws Error if the token waits for verification, or the answer stops */
export function tokenLogits(outcome: Outcome): Float32Array {
  if (outcome.kind === "token") return outcome.logits;
  throw new Error(`the outcome of a step that must decide a token is ${outcome.kind}`);
}

export const planOf = ({ plan = densePlan }: Step): Plan => plan;

/** True if a plan has decisions for each generated token. */
export const decidesSteps = ({ cuts }: Plan): boolean => cuts.some(({ scope }) => scope === "step");

export const stepCut = ({ cuts }: Plan, after: number): StepCut | undefined =>
  cuts.find((cut): cut is StepCut => cut.scope === "step" && cut.after === after);

/** A cut's decision on a generated token. */
export type StepDecision = Exclude<Decision, { kind: "keep" }>;

/**
 * A cut's decision on a row with `waiting` tokens held back. The row continues if its probe computed NaN, or if no more
 * tokens may wait.
 */
export function decisionAt(cut: StepCut, step: Step, probed: Float32Array, waiting: number): StepDecision {
  if (probed.some(Number.isNaN)) return { kind: "continue" };
  const decision = cut.decide({ tokens: step.slot.tokens.length, probed });
  if (decision.kind === "keep")
    throw new Error("a generated token reached a cut that decided to keep prompt positions");
  const full = decision.kind === "exit" && waiting >= mostWaiting(decision.fill, step);
  return full || (decision.kind === "stop" && step.forced) ? { kind: "continue" } : decision;
}

function mostWaiting(fill: StateFill, step: Step): number {
  const most = PREFILL_CHUNK - 1;
  if (fill === "verify") return Math.min(DRAFTS, step.drafts ?? most);
  return fill === "recompute" ? most : Number.POSITIVE_INFINITY;
}

/** The outcome of an exited token, with the logits of the exit's head. */
export const outcomeOf = (fill: StateFill, logits: Float32Array): Outcome => ({
  kind: fill === "verify" ? "draft" : "token",
  logits,
});

/**
 * Bills an exit whose head has this cost; `head` is undefined if it has already run. A draft's head is overhead,
 * because the model's own head follows.
 */
export function billExit(meter: Meter, fill: StateFill, head: Cost | undefined): void {
  meter.count("exits", 0, 1);
  if (fill === "verify") {
    meter.count("drafts", 0, 1);
    if (head) meter.overheadPart(head, 1, 0);
  } else if (head) meter.exitHead(head);
}
