import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { texts } from "../run/batch.testing.ts";
import { Engine } from "../run/engine.ts";
import { Likelihoods, type TokenScore } from "./likelihood.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-likelihood-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Plain sums over the logits of consecutive decode steps. */
async function stepwise(engine: Engine, tokens: readonly number[]): Promise<TokenScore[]> {
  const meter = new Meter(engine.programs);
  const slot = engine.acquire(tokens.slice(0, 1));
  slot.truncate(0);
  const scores: TokenScore[] = [];
  let logits = await engine.prefill(slot, tokens.slice(0, 1), meter);
  for (const token of tokens.slice(1)) {
    const top = logits.reduce((a, b) => Math.max(a, b));
    const norm = top + Math.log(logits.reduce((sum, v) => sum + Math.exp(v - top), 0));
    scores.push({ nats: logits[token]! - norm, best: top - norm });
    logits = await engine.step(slot, token, meter);
  }
  engine.release(slot);
  return scores;
}

function worst(got: readonly TokenScore[], expected: readonly TokenScore[]): number {
  expect(got.length).toBe(expected.length);
  return Math.max(
    ...got.map((g, i) => Math.max(...[g.nats - expected[i]!.nats, g.best - expected[i]!.best].map(Math.abs))),
  );
}

describe.each(["llama-tiny.gguf", "gemma3/model.safetensors"])("%s", (file) => {
  let engine: Engine;
  let likelihoods: Likelihoods;
  beforeAll(async () => {
    const { decoder, weights } = await openDecoder(openCheckpoint(fixture(file)), path.join(folder, file), "f32");
    engine = await Engine.create(decoder, weights);
    likelihoods = await Likelihoods.create(engine);
  });
  afterAll(() => {
    likelihoods[Symbol.dispose]();
    engine[Symbol.dispose]();
  });
  const meter = () => new Meter(engine.programs);
  const some = (count: number, length: number) =>
    texts(count, engine.programs.decoder.config.vocabulary, length, 1).map(({ prompt }) => prompt);

  test("a text's tokens have the log-probabilities that steps give, in one piece of the head and in several", async () => {
    const long = some(4, 100).flat().slice(0, Math.min(90, engine.programs.decoder.config.context));
    for (const [tokens, from] of [
      [[1, 2], 1],
      [long, 1],
      [long, 37],
    ] as const) {
      const got = await likelihoods.ofText(tokens, from, meter());
      expect(worst(got, (await stepwise(engine, tokens)).slice(from - 1))).toBeLessThan(1e-4);
    }
  });

  test("continuations have those that they have as texts, whatever they share and in whatever order", async () => {
    const [a, b] = [some(1, 40)[0]!, some(2, 30)[1]!];
    const pairs = [
      { context: [3, ...a], continuation: [5, 6, 7] },
      { context: [3, ...a, 9], continuation: [5] },
      { context: [3, ...a], continuation: [8] },
      { context: [4, ...b], continuation: [1, 2] },
      { context: [3, ...a], continuation: [5, 6, 1] },
      { context: [3], continuation: [...a] },
    ];
    const got = await likelihoods.ofPairs(pairs, meter());
    for (const [i, { context, continuation }] of pairs.entries()) {
      const whole = await stepwise(engine, [...context, ...continuation]);
      expect(worst(got[i]!, whole.slice(-continuation.length))).toBeLessThan(1e-4);
    }
  });

  test("more candidates than the head takes at once are scored piece by piece", async () => {
    const context = some(1, 10)[0]!;
    const vocabulary = engine.programs.decoder.config.vocabulary;
    const pairs = Array.from({ length: 150 }, (_, i) => ({ context, continuation: [i % vocabulary] }));
    const got = await likelihoods.ofPairs(pairs, meter());
    const chance = got.slice(0, Math.min(vocabulary, 150)).reduce((sum, [f]) => sum + Math.exp(f!.nats), 0);
    expect(chance).toBeLessThan(1 + 1e-5);
    if (vocabulary <= 150) expect(chance).toBeCloseTo(1, 5);
    for (const [f] of got) expect(f!.best).toBe(got[0]![0]!.best);
  });

  test("the bill is of what ran: a shared context once, and the same after other work", async () => {
    const context = some(1, 40)[0]!;
    const pairs = [[1, 2], [3]].map((continuation) => ({ context, continuation }));
    const bills = [];
    for (const work of [pairs, pairs]) {
      const bill = meter();
      await likelihoods.ofPairs(work, bill);
      bills.push(bill.total());
    }
    const expected = meter();
    expected.layers(context.length, 0);
    expected.layers(1, context.length);
    expected.head(1);
    expected.head(1);
    expect(bills[0]).toEqual(expected.total());
    expect(bills[1]).toEqual(bills[0]);
  });
});

/** A tiny model with windows and a context of several prompt chunks. */
function windowed(): string {
  const target = path.join(folder, "windowed");
  cpSync(fixture("gemma3"), target, { recursive: true });
  const config = path.join(target, "config.json");
  const { max_position_embeddings: _, ...rest } = JSON.parse(readFileSync(config, "utf8"));
  writeFileSync(config, JSON.stringify({ ...rest, max_position_embeddings: 2048 }));
  return path.join(target, "model.safetensors");
}

test("chunks that calls share are run once and give the same, to the bit; not those that windows have let go of", async () => {
  const { decoder, weights } = await openDecoder(openCheckpoint(windowed()), path.join(folder, "prepared"), "f32");
  using engine = await Engine.create(decoder, weights);
  using likelihoods = await Likelihoods.create(engine);
  const { vocabulary } = decoder.config;
  const [prefix, ...ends] = [300, 40, 200, 1200].map((length, n) =>
    Array.from({ length }, (_, i) => (i * i + n) % vocabulary),
  );
  const calls = ends.map((end, i) => [{ context: [...prefix!, ...end], continuation: [i, 5, 6] }]);
  const ask = async (at: number) => {
    const meter = new Meter(engine.programs);
    return { found: await likelihoods.ofPairs(calls[at]!, meter), spared: meter.spared, bill: meter.total() };
  };
  const alone = [];
  for (const at of calls.keys()) {
    engine.forget();
    alone.push(await ask(at));
  }
  engine.forget();
  const spared: number[] = [];
  for (const at of [0, 1, 0, 2, 0]) {
    const { spared: some, ...same } = await ask(at);
    spared.push(some);
    expect({ ...same, spared: 0 }).toEqual(alone[at]);
  }
  expect(spared).toEqual([0, 256, 256, 256, 0]);
});
