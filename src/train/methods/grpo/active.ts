import type { Engine } from "../../../engine/decode/run/engine.ts";
import { UserError } from "../../../util/errors.ts";
import { mean } from "../../../util/mean.ts";
import { isOwn } from "../../subject/own-subject.ts";
import type { ActiveMethod, MethodBill, MethodHost } from "../method.ts";
import { advantagesOf, deviation, isUniform } from "./advantages.ts";
import type { GrpoOptions } from "./grpo.ts";
import { rewardOf } from "./rewards.ts";
import { type Prompt, type Rollout, Rollouts } from "./rollouts.ts";
import { type Completion, sample } from "./sampling.ts";

const PARTS = ["sampling", "scoring", "learning"] as const;

interface StepPrompt {
  readonly batch: number;
  readonly place: number;
  readonly prompt: Prompt;
}

/** Samples each step's completions with an engine over the trained LoRA layers, and scores them. */
export class ActiveGrpo implements ActiveMethod {
  readonly #rollouts: Rollouts;
  readonly #openEngine: () => Promise<Engine>;
  #engine: Engine | undefined;
  #metrics: Readonly<Record<string, number>> = {};
  /** FLOPs of sampling, then milliseconds of each part of the steps. */
  readonly #sums = new Float64Array(1 + PARTS.length);
  #learns = Number.NaN;

  /** @throws UserError if no engine can share the trained weights */
  constructor(
    private readonly own: GrpoOptions,
    private readonly host: MethodHost,
  ) {
    const { training } = host.data;
    if (!(training instanceof Rollouts)) throw new UserError("grpo trains a decoder; the model is an encoder", 2);
    const openEngine = isOwn(host.subject) ? undefined : host.subject.openEngine;
    if (!openEngine)
      throw new UserError("grpo trains LoRA layers of an existing model; set model and lora, and omit train", 2);
    this.#rollouts = training;
    this.#openEngine = openEngine;
  }

  /** The same bytes as float32, since states have no other form. */
  get states(): NonNullable<ActiveMethod["states"]> {
    return { sums: new Float32Array(this.#sums.buffer) };
  }

  async beforeStep(step: number): Promise<void> {
    const { accumulate, seed, tokens } = this.host.options;
    const { num_generations: group, max_completion_length: longest = tokens, scale_rewards } = this.own;
    const asked = Array.from({ length: accumulate }, (_, i) => step * accumulate + i).flatMap((batch) =>
      this.#rollouts.places(batch).map((place) => ({ batch, place, prompt: this.#rollouts.prompts[place]! })),
    );
    this.#engine ??= await this.#openEngine();
    const started = performance.now();
    const terms = { group, tokens: tokens + 1, longest, seed, step };
    const { groups, flops } = await sample(this.#engine, this.#rollouts.tokenizer, asked, terms);
    const scoring = performance.now();
    const scores = await this.#scores(asked, groups);
    this.#learns = performance.now();
    const rewards = scores.map((completions) => completions.map((all) => all.reduce((sum, reward) => sum + reward, 0)));
    this.#hold(asked, groups, advantagesOf(rewards, scale_rewards));
    this.#metrics = this.#figures(groups, scores, rewards);
    this.#count([flops, scoring - started, this.#learns - scoring]);
  }

  /** Each completion's rewards, one by one. */
  #scores(asked: readonly StepPrompt[], groups: readonly (readonly Completion[])[]): Promise<number[][][]> {
    const { rewards } = this.#rollouts;
    const scored = (prompt: Prompt, { text }: Completion) =>
      Promise.all(rewards.map((reward) => rewardOf(reward, prompt, text)));
    return Promise.all(groups.map((group, i) => Promise.all(group.map((one) => scored(asked[i]!.prompt, one)))));
  }

  #hold(
    asked: readonly StepPrompt[],
    groups: readonly (readonly Completion[])[],
    advantages: readonly (readonly number[])[],
  ): void {
    const current = new Map<number, Rollout[]>();
    for (const [i, { batch, prompt }] of asked.entries()) {
      const own = groups[i]!.map(({ ids }, k) => ({ prompt, completion: ids, advantage: advantages[i]![k]! }));
      current.set(batch, [...(current.get(batch) ?? []), ...own]);
    }
    this.#rollouts.hold(current);
  }

  /** The step's figures, by TRL's names. */
  #figures(
    groups: readonly (readonly Completion[])[],
    scores: readonly (readonly (readonly number[])[])[],
    rewards: readonly (readonly number[])[],
  ): Readonly<Record<string, number>> {
    const completions = groups.flat();
    const named = this.#rollouts.rewards.map(({ name }, k) => [
      `rewards/${name}/mean`,
      mean(scores.flat().map((all) => all[k]!)),
    ]);
    const scaled = this.own.scale_rewards === "batch" ? [rewards.flat()] : rewards;
    return {
      ...{ reward: mean(rewards.flat()), reward_std: deviation(rewards.flat()) },
      frac_reward_zero_std: mean(scaled.map((group) => Number(isUniform(group)))),
      ...Object.fromEntries(named),
      "completions/mean_length": mean(completions.map(({ ids }) => ids.length)),
      "completions/clipped_ratio": mean(completions.map(({ clipped }) => Number(clipped))),
    };
  }

  #count(added: readonly number[]): void {
    for (const [i, value] of added.entries()) this.#sums[i]! += value;
  }

  beforeUpdate(): void {
    this.#count([0, 0, 0, performance.now() - this.#learns]);
  }

  get metrics(): Readonly<Record<string, number>> {
    return this.#metrics;
  }

  bill(): MethodBill {
    const [overhead, ...ms] = this.#sums;
    return { overhead: overhead!, ms: Object.fromEntries(PARTS.map((part, i) => [part, ms[i]!])) };
  }

  [Symbol.dispose](): void {
    this.#engine?.[Symbol.dispose]();
  }
}
