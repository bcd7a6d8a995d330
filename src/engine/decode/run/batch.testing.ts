/** Compares sequences decoded together with the same sequences decoded separately, on float32 models. */
import { expect } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { Meter } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import type { Engine } from "./engine.ts";
import { tokenLogits } from "./stepped.ts";

const random = seededRandom(7);
const below = (n: number) => Math.floor(random() * n);

/** A prompt and the tokens after it, fixed so that all runs have the same text. */
export interface Text {
  prompt: number[];
  next: number[];
}

/** Texts of different lengths without shared prefixes. */
export function texts(count: number, vocabulary: number, longest: number, steps: number): Text[] {
  const ids = (n: number) => Array.from({ length: n }, () => below(vocabulary));
  return Array.from({ length: count }, (_, i) => ({
    prompt: [i, ...ids(1 + below(longest))],
    next: ids(1 + below(steps)),
  }));
}

/** Logits after the prompt and after each further token. */
async function alone(engine: Engine, { prompt, next }: Text): Promise<Float32Array[]> {
  const slot = engine.acquire(prompt);
  const meter = new Meter(engine.programs);
  const logits = [(await engine.prefill(slot, prompt, meter)).slice()];
  for (const token of next) logits.push((await engine.step(slot, token, meter)).slice());
  slot.truncate(0);
  engine.release(slot);
  return logits;
}

/**
 * Like `alone`, for all texts together: each joins at a random step, skips some steps, and leaves when its text ends.
 */
async function together(engine: Engine, all: readonly Text[]): Promise<Float32Array[][]> {
  const logits: Float32Array[][] = all.map(() => []);
  const meter = new Meter(engine.programs);
  const running = new Map<number, Slot>();
  for (let waiting = 0; waiting < all.length || running.size > 0; ) {
    if (waiting < all.length && (running.size === 0 || random() < 0.7)) {
      const { prompt } = all[waiting]!;
      const slot = engine.acquire(prompt);
      logits[waiting]!.push((await engine.prefill(slot, prompt, meter)).slice());
      running.set(waiting++, slot);
    }
    const taking = [...running].filter(() => random() < 0.8);
    const steps = taking.map(([i, slot]) => ({ slot, meter, token: all[i]!.next[logits[i]!.length - 1]! }));
    const rows = await engine.stepAll(steps);
    for (const [j, [i]] of taking.entries()) logits[i]!.push(tokenLogits(rows[j]!).slice());
    for (const [i, slot] of running)
      if (logits[i]!.length > all[i]!.next.length) {
        running.delete(i);
        engine.release(slot);
      }
  }
  return logits;
}

function worst(got: readonly Float32Array[], expected: readonly Float32Array[]): number {
  expect(got.length).toBe(expected.length);
  const pairs = got.flatMap((row, r) => [...row].map((v, i) => Math.abs(v - expected[r]![i]!)));
  return pairs.reduce((a, b) => (Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.max(a, b)), 0);
}

/** Compares every row of a run of many texts, at random steps, with a separate run of the same text. */
export async function compareWithAlone(engine: Engine, all: readonly Text[]): Promise<void> {
  const expected: Float32Array[][] = [];
  for (const text of all) expected.push(await alone(engine, text));
  const got = await together(engine, all);
  for (const [i, rows] of got.entries()) expect(worst(rows, expected[i]!)).toBeLessThan(1e-4);
}
