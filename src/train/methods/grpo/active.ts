import { once } from "node:events";
import type { Engine } from "../../../engine/decode/run/engine.ts";
import { UserError } from "../../../util/errors.ts";
import { mean } from "../../../util/mean.ts";
import { isOwn } from "../../subject/own-subject.ts";
import type { ActiveMethod, MethodBill, MethodHost } from "../method.ts";
import { advantagesOf } from "./advantages.ts";
import { figuresOf } from "./figures.ts";
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

/** Samples each step's completions with an engine that uses the trained LoRA layers, and scores them. */
export class ActiveGrpo implements ActiveMethod {
  readonly #rollouts: Rollouts;
  readonly #openEngine: () => Promise<Engine>;
  #engine: Engine | undefined;
  #metrics: Readonly<Record<string, number>> = {};
  /** Sums over steps: the FLOPs of sampling, then the milliseconds of each part of a step. */
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
      throw new UserError("grpo trains only LoRA layers of an existing model; set model and lora, and omit train", 2);
    this.#rollouts = training;
    this.#openEngine = openEngine;
  }

  /** The bytes of the sums, viewed as float32, because states must be float32. */
  get states(): NonNullable<ActiveMethod["states"]> {
    return { sums: new Float32Array(this.#sums.buffer) };
  }

  async beforeStep(step: number): Promise<void> {
    const { accumulate, seed, tokens } = this.host.options;
    const { num_generations: group, max_completion_length: longest = tokens, scale_rewards } = this.own;
    const prompts = Array.from({ length: accumulate }, (_, i) => step * accumulate + i).flatMap((batch) =>
      this.#rollouts.places(batch).map((place) => ({ batch, place, prompt: this.#rollouts.prompts[place]! })),
    );
    this.#engine ??= await this.#openEngine();
    const started = performance.now();
    const terms = { group, tokens: tokens + 1, longest, seed, step };
    const { groups, flops } = await sample(this.#engine, this.#rollouts.tokenizer, prompts, terms);
    const scoring = performance.now();
    const scores = await this.#scores(prompts, groups);
    this.#learns = performance.now();
    const rewards = scores.map((completions) => completions.map((all) => all.reduce((sum, reward) => sum + reward, 0)));
    this.#hold(prompts, groups, advantagesOf(rewards, scale_rewards));
    this.#metrics = { ...figuresOf(groups, rewards, scale_rewards), ...this.#means(scores) };
    this.#count([flops, scoring - started, this.#learns - scoring]);
  }

  /** Computes each completion's rewards, with one call per reward. */
  #scores(prompts: readonly StepPrompt[], groups: readonly (readonly Completion[])[]): Promise<number[][][]> {
    const { rewards } = this.#rollouts;
    const scored = (prompt: Prompt, { text }: Completion) =>
      Promise.all(rewards.map((reward) => rewardOf(reward, prompt, text)));
    const all = groups.map((group, i) => Promise.all(group.map((one) => scored(prompts[i]!.prompt, one))));
    const done = new AbortController();
    // The process has no work left that could settle a reward.
    const idle = once(process, "beforeExit", done).then(() => {
      throw new UserError(`${rewards.map(({ name }) => name).join(", ")}: a reward's promise never settles`);
    });
    return Promise.race([Promise.all(all), idle]).finally(() => done.abort());
  }

  #hold(
    prompts: readonly StepPrompt[],
    groups: readonly (readonly Completion[])[],
    advantages: readonly (readonly number[])[],
  ): void {
    const current = new Map<number, Rollout[]>();
    for (const [i, { batch, prompt }] of prompts.entries()) {
      const own = groups[i]!.map(({ ids }, k) => ({ prompt, completion: ids, advantage: advantages[i]![k]! }));
      current.set(batch, [...(current.get(batch) ?? []), ...own]);
    }
    this.#rollouts.hold(current);
  }

  /** The mean of each reward over all completions. */
  #means(scores: readonly (readonly (readonly number[])[])[]): Readonly<Record<string, number>> {
    const meanOf = (k: number) => mean(scores.flat().map((all) => all[k]!));
    return Object.fromEntries(this.#rollouts.rewards.map(({ name }, k) => [`rewards/${name}/mean`, meanOf(k)]));
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
