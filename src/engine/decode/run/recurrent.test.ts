/** Models with states of fixed size, from fixtures with random weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { sequenceBytes } from "../../../models/state/state-groups.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { densePlan } from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { Likelihoods } from "../score/likelihood.ts";
import type { Slot } from "../state/slot.ts";
import { PREFILL_CHUNK } from "./chunk.ts";
import { Engine } from "./engine.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-recurrent-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = seededRandom(3);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(72 * random()));

async function open(name: string): Promise<Engine> {
  const { decoder, weights } = await openDecoder(openCheckpoint(fixture(name)), path.join(folder, name), "f32");
  return Engine.create(decoder, weights);
}

/** Logits after a prompt, and the number of its tokens that ran. */
async function logitsOf(engine: Engine, prompt: readonly number[], use?: (slot: Slot) => Promise<unknown>) {
  const slot = engine.acquire(prompt);
  const ran = prompt.length - slot.tokens.length;
  const logits = (await engine.prefill(slot, prompt, new Meter(engine.programs))).slice();
  await use?.(slot);
  engine.release(slot);
  return { logits, ran };
}

const answer = (engine: Engine, tokens: readonly number[]) => async (slot: Slot) => {
  for (const token of tokens) await engine.step(slot, token, new Meter(engine.programs));
};

describe.each(["mamba", "mamba2-groups", "rnn"])("%s", (name) => {
  test("a prompt continues from a chunk's end, from its own end and from its answer's, with a fresh run's logits", async () => {
    using engine = await open(name);
    const text = ids(2 * PREFILL_CHUNK + 40);
    const turn = ids(5);
    const turns = [
      { prompt: text, runs: text.length },
      // These prompts diverge from it in the second chunk.
      { prompt: [...text.slice(0, PREFILL_CHUNK + 9), ...ids(4)], runs: 13 },
      // Continues with the answer unchanged.
      { prompt: [...text, ...turn, ...ids(3)], runs: 3 },
      // Continues from the prompt with another answer.
      { prompt: [...text, ...turn.slice(0, 2), ...ids(3)], runs: 5 },
    ];
    for (const { prompt, runs } of turns) {
      const again = await logitsOf(engine, prompt);
      engine.forget();
      const fresh = await logitsOf(engine, prompt);
      expect(fresh.ran).toBe(prompt.length);
      expect(again.ran).toBe(runs);
      for (const [i, value] of fresh.logits.entries()) expect(again.logits[i]).toBeCloseTo(value, 4);
      // Leaves the text and the answer for the next request.
      engine.forget();
      await logitsOf(engine, text, answer(engine, turn));
    }
  });

  test("a sequence begins with a running one's chunk, and neither changes the other", async () => {
    using engine = await open(name);
    const text = ids(PREFILL_CHUNK + 30);
    const other = [...text.slice(0, PREFILL_CHUNK + 5), ...ids(6)];
    const [turn, fresh] = [ids(3), await logitsOf(engine, other)];
    engine.forget();
    const meter = new Meter(engine.programs);
    const steps: Float32Array[] = [];
    for (const beside of [false, true]) {
      const running = engine.acquireEmpty();
      await engine.prefill(running, text, meter);
      await engine.step(running, turn[0]!, meter);
      if (beside) {
        const second = await logitsOf(engine, other);
        expect(second.ran).toBe(other.length - PREFILL_CHUNK);
        for (const [i, value] of fresh.logits.entries()) expect(second.logits[i]).toBeCloseTo(value, 4);
      }
      steps.push((await engine.step(running, turn[1]!, meter)).slice());
      engine.release(running);
      engine.forget();
    }
    expect(steps[1]).toEqual(steps[0]);
  });

  test("a sequence takes the same memory whatever its length", async () => {
    using engine = await open(name);
    const { config } = engine.programs.decoder;
    const sizes: number[] = [];
    for (const length of [3, 3 * PREFILL_CHUNK, 9 * PREFILL_CHUNK]) {
      engine.slots.letGo();
      await logitsOf(engine, ids(length));
      sizes.push(engine.slots.bytes);
    }
    const state = sequenceBytes(config, 1);
    expect(sizes[0]).toBe(2 * state);
    // The state, and a bounded number of snapshots.
    expect(sizes[1]).toBe(4 * state);
    expect(sizes[2]).toBe(5 * state);
    expect(sequenceBytes(config, 1 << 20)).toBe(state);
  });

  test("states updated in place are those written elsewhere", async () => {
    using engine = await open(name);
    const { programs } = engine;
    const { config } = programs.decoder;
    const { program } = programs.segments(0, config.layers, [])[0]!;
    const noise = (size: number) => Float32Array.from({ length: size }, () => random() - 0.5);
    const floats = Array.from({ length: config.layers }, (_, l) => config.recurrent!(l)!);
    const [inputs, stream] = [floats.map(noise), noise(7 * config.hidden)];
    const run = async (inPlace: boolean) => {
      const held: Buffer[] = [];
      const buffer = (values: Float32Array) => {
        const tensor = new Buffer("f32", values.length);
        held.push(tensor);
        new Float32Array(tensor.memory).set(values);
        return tensor;
      };
      const wide = () => buffer(stream).view([1, 7, config.hidden]);
      const before = inputs.map(buffer);
      const after = inPlace ? before : inputs.map((values) => buffer(values.map(() => 9)));
      const states = floats.flatMap((size, l) => [
        [`state${l}`, before[l]!.view([1, size])],
        [`stateOut${l}`, after[l]!.view([1, size])],
      ]);
      const [branchOut, residualOut] = [wide(), wide()];
      await program.bind({ ...Object.fromEntries(states), branch: wide(), branchOut, residualOut }).run();
      const outputs = [branchOut.buffer, residualOut.buffer, ...after];
      const copies = outputs.map(({ memory }) => new Float32Array(memory.slice(0)));
      for (const each of held) each[Symbol.dispose]();
      return copies;
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

test("a run that fails leaves a state that is not continued from", async () => {
  using engine = await open("mamba2");
  const prompt = ids(20);
  const fresh = await logitsOf(engine, [...prompt, 1]);
  engine.forget();
  const slot = engine.acquire(prompt);
  await engine.prefill(slot, prompt, new Meter(engine.programs));
  // Imitates a step that begins and then fails.
  slot.group(0).begin();
  slot.cache.state(0).fill(7);
  engine.release(slot);
  const again = await logitsOf(engine, [...prompt, 1]);
  // The prompt's end is kept separately.
  expect(again.ran).toBe(1);
  for (const [i, value] of fresh.logits.entries()) expect(again.logits[i]).toBeCloseTo(value, 4);
});

test("continuations of one context have the likelihoods that they have alone", async () => {
  using engine = await open("mamba2");
  using likelihoods = await Likelihoods.create(engine, () => densePlan);
  const contexts = [ids(300), ids(5)];
  const pairs = contexts.flatMap((context) =>
    [ids(1), ids(4), ids(2)].map((continuation) => ({ context, continuation })),
  );
  const together = await likelihoods.ofPairs(pairs, new Meter(engine.programs));
  for (const [i, pair] of pairs.entries()) {
    const text = [...pair.context, ...pair.continuation];
    const alone = await likelihoods.ofText(text, pair.context.length, new Meter(engine.programs));
    for (const [at, { nats }] of alone.entries()) expect(together[i]![at]!.nats).toBeCloseTo(nats, 4);
  }
});
