import { type CacheUse, type DenoisingStep, denoise, type Scorer, type Task } from "./denoise.ts";
import { type DiffusionInput, diffusionOptions, scheduleOf } from "./options.ts";

export const MASK = 9;
export const END = 8;

/** Returns the logits at one position of a sequence. */
export type Rule = (ids: Int32Array, place: number) => readonly number[];

/** A scorer that follows a rule, over ten tokens: 8 ends texts, and 9 is the mask. */
export class FakeScorer implements Scorer {
  readonly vocabulary = 10;
  passes = 0;
  readonly uses: (CacheUse | undefined)[] = [];

  constructor(private readonly rule: Rule) {}

  async score(ids: Int32Array, places: readonly number[], cache?: CacheUse): Promise<Float32Array> {
    this.passes++;
    this.uses.push(cache);
    const never = Array.from({ length: 10 }, () => -1e9);
    return Float32Array.from(places.flatMap((place) => never.map((no, i) => this.rule(ids, place)[i] ?? no)));
  }
}

/** Returns all steps of an answer of `length` tokens to the prompt 7 7. */
export async function stepsOf(
  scorer: Scorer,
  length: number,
  options: DiffusionInput,
  task: Partial<Task> = {},
): Promise<DenoisingStep[]> {
  const request = { prompt: [7, 7], mask: MASK, ends: new Set([END]), temperature: 0, random: () => 0.5, ...task };
  const checked = diffusionOptions.parse(options);
  const steps: DenoisingStep[] = [];
  for await (const step of denoise(scorer, request, scheduleOf(length, checked), checked)) steps.push(step);
  return steps;
}
