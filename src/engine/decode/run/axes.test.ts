import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan, type ProbePoint, planOf } from "../../../savings/plan.ts";
import { LastQueryScores } from "../../../savings/tokens/last-query.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { fixtures } from "../../images/pixels/pictures.testing.ts";
import { Axes } from "./axes.ts";
import { Engine } from "./engine.ts";
import { type PromptSpan, promptOfSpans } from "./spans.ts";
import { tokenLogits } from "./stepped.ts";

const image = (rows: number, columns: number, contentHash: string) => ({
  embeddings: new Float32Array(rows * columns * 2),
  contentHash,
  grid: [rows, columns] as const,
});

test("texts count on on all axes, images stand still in time, and what follows comes after their longer side", () => {
  const wide = image(2, 3, "axes wide");
  const { prompt } = promptOfSpans([[5, 6], wide, [7], image(2, 1, "axes high"), wide, [8]], 2);
  const all = new Axes(prompt).at(Array.from({ length: prompt.length + 2 }, (_, i) => i));
  expect(all.positions).toEqual([0, 1, 2, 2, 2, 2, 2, 2, 5, 6, 6, 8, 8, 8, 8, 8, 8, 11, 12, 13]);
  expect(all.height).toEqual([0, 1, 2, 2, 2, 3, 3, 3, 5, 6, 7, 8, 8, 8, 9, 9, 9, 11, 12, 13]);
  expect(all.width).toEqual([0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 6, 8, 9, 10, 8, 9, 10, 11, 12, 13]);
});

test("rows without a grid count as a text's", () => {
  const { grid: _, ...rows } = image(2, 1, "axes without a grid");
  const { prompt } = promptOfSpans([[5], rows, [6]], 2);
  const places = prompt.map((_, i) => i);
  expect(new Axes(prompt).at(places)).toEqual({ positions: places, height: places, width: places });
});

test("rows of a batch keep their own positions: steps in a batch equal steps alone, and equal a longer prompt's", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-axes-"));
  const { decoder, weights } = await openDecoder(openCheckpoint(path.join(fixtures, "qwen2-vl")), folder, "f32");
  using engine = await Engine.create(decoder, weights);
  const normal = normals(seededRandom(3));
  const seen = (rows: number, columns: number): PromptSpan => ({
    embeddings: Float32Array.from({ length: rows * columns * 32 }, normal),
    contentHash: `axes ${rows} × ${columns}`,
    grid: [rows, columns],
  });
  const spans: PromptSpan[][] = [
    [[1, 2], seen(2, 4), [3, 4]],
    [[1, 2, 5], seen(3, 2), [3]],
  ];
  const next = [7, 8];
  const begun = async (own: readonly PromptSpan[]) => {
    const { prompt, embeddings } = promptOfSpans(own, 32);
    const slot = engine.acquireEmpty(prompt);
    const meter = new Meter(engine.programs);
    let last: Float32Array | undefined;
    for await (const logits of engine.chunks(slot, prompt, { plan: densePlan, meter, embeddings }))
      last = logits && Float32Array.from(logits);
    return { slot, meter, last: last! };
  };
  const steps = await Promise.all(spans.map(begun));
  const together = await engine.stepAll(steps.map(({ slot, meter }, i) => ({ slot, meter, token: next[i]! })));
  for (const [i, own] of spans.entries()) {
    const { slot, last } = await begun([...own, [next[i]!]]);
    const off = last.map((value, at) => Math.abs(value - tokenLogits(together[i]!)[at]!));
    expect(Math.max(...off)).toBeLessThan(1e-4);
    engine.release(slot);
  }
  for (const { slot } of steps) engine.release(slot);
  rmSync(folder, { recursive: true });
});

test("in the first layer, scores without rotary do not depend on positions; with it, on distances on all axes", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-axes-scores-"));
  const { decoder, weights } = await openDecoder(openCheckpoint(path.join(fixtures, "qwen2-vl")), folder, "f32");
  using engine = await Engine.create(decoder, weights);
  const embeddings = Float32Array.from({ length: 6 * 32 }, normals(seededRandom(4)));
  const prompts: readonly (readonly [before: number[], grid: readonly [number, number]])[] = [
    [[1], [2, 3]],
    [
      [1, 5, 9],
      [2, 3],
    ],
    [[1], [3, 2]],
  ];
  const scored = async (rotary: boolean): Promise<number[][]> => {
    using scores = await LastQueryScores.create(decoder, 0, { rotary, some: true });
    const results: number[][] = [];
    for (const [i, [before, grid]] of prompts.entries()) {
      const spans = [before, { embeddings, contentHash: `axes scores ${i}`, grid }, [3, 4]];
      const { prompt, embeddings: rows } = promptOfSpans(spans, 32);
      const among = Int32Array.from({ length: 6 }, (_, cell) => before.length + cell);
      const cut = {
        ...{ after: 1, scope: "prompt" as const },
        probe: { look: (at: ProbePoint) => scores.look(at, among) },
        decide: ({ tokens, probed }: { tokens: number; probed: Float32Array }) => {
          results.push([...among].map((at) => probed[at]!));
          return { kind: "keep" as const, positions: Int32Array.from(Array(tokens).keys()) };
        },
      };
      const plan = planOf([{ cuts: [cut], state: { prompt: undefined, answer: undefined } }]);
      await engine.prepare(plan);
      const slot = engine.acquireEmpty(prompt, plan);
      const terms = { plan, meter: new Meter(engine.programs), embeddings: rows };
      for await (const _ of engine.chunks(slot, prompt, terms));
      engine.release(slot);
    }
    return results;
  };
  const worst = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
  const [none, rotary] = [await scored(false), await scored(true)];
  expect(worst(none[0]!, none[1]!)).toBeLessThan(1e-5);
  expect(worst(none[0]!, none[2]!)).toBeLessThan(1e-5);
  expect(worst(rotary[0]!, rotary[1]!)).toBeLessThan(1e-5);
  expect(worst(rotary[0]!, rotary[2]!)).toBeGreaterThan(1e-3);
  rmSync(folder, { recursive: true });
});
