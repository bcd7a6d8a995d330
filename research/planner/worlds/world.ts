import type { Template } from "../../../src/engine/diffusion/plan/template.ts";

export type Random = () => number;

/** A question with the plan that solves it and the answer that follows from the plan. */
export interface Sample {
  readonly task: "star-graph" | "countdown" | "words" | "look-up";
  readonly question: string;
  readonly plan: string;
  readonly answer: string;
}

/** A planner's world: where questions come from, and what solves them. */
export interface World {
  readonly name: "star-graphs" | "countdown" | "words";
  readonly template: Template;
  /** The number of tokens in a plan: the longest in training, and an end token. */
  readonly planTokens: number;
  /** Steps of filling in a plan that are compared. */
  readonly steps: readonly number[];
  /** Tokens of an answer, with the one that ends it. */
  readonly answerTokens: number;
  /** A question of tests. */
  tested(random: Random): Sample;
  training(random: Random): Sample;
  /** A sample for a planner's first phase: until it has learned to look up, a mix of kinds only hinders it. */
  beginning(random: Random): Sample;
  /** A question that a projector is trained on. */
  asked(random: Random): Sample;
  /** Checks an answer: the same text, or another first part of a plan that solves the question. */
  answers(sample: Sample, answer: string): boolean;
  /** Checks a plan's first part as an answer. */
  opens(sample: Sample, plan: string): boolean;
  /** Checks a whole plan. */
  solves(sample: Sample, plan: string): boolean;
  /** The accuracy of guessing among the answers that a question allows. */
  chance(sample: Sample): number;
}

export const below = (n: number, random: Random): number => Math.floor(random() * n);
