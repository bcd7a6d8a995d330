import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import type { TrainingData } from "../../data/batch.ts";
import { sampleData } from "../../data/pack.ts";
import { textData } from "../../data/text.ts";
import { type Denoising, denoised } from "./data.ts";
import { mixtureOf } from "./denoisers.ts";
import { idsOf } from "./ids.testing.ts";

const text = Int32Array.from({ length: 4000 }, (_, i) => i % 997);
const rows = (tokens = 40): TrainingData => textData(text, { rows: 4, tokens, seed: 1 });

const denoising = (rest: Partial<Denoising> = {}): Denoising => ({
  ...{ mixture: mixtureOf("ul2r", false), causal: 0, tokens: idsOf(40), prefixed: true },
  ...rest,
});

/** A row's ids, labels and prefix length, and its marked prefix positions. */
function rowOf(data: TrainingData, index: number, row: number) {
  const { ids, labels, prefix } = data.batch(index);
  const [from, to] = [row * data.tokens, (row + 1) * data.tokens];
  const shown = prefix!.subarray(from, to);
  return { ids: ids.subarray(from, to), labels: labels.subarray(from, to), prefix: shown.indexOf(0), shown };
}

test("only the targets are labels, each the token after its position", () => {
  const data = denoised(rows(), denoising(), 1);
  for (let i = 0; i < 24; i++) {
    const { ids, labels, prefix, shown } = rowOf(data, i, 1);
    const labelled = [...labels.keys()].filter((at) => labels[at]! >= 0);
    expect(ids[0]).toBeGreaterThanOrEqual(1000);
    expect(labelled[0]).toBe(prefix - 1);
    expect(labelled).toEqual(labelled.map((_, k) => prefix - 1 + k));
    for (const at of labelled.slice(0, -1)) expect(labels[at]).toBe(ids[at + 1]);
    expect(shown.subarray(0, prefix).every((bit) => bit === 1)).toBe(true);
    expect(shown.subarray(prefix).every((bit) => bit === 0)).toBe(true);
    if (ids[0] !== 1000) expect(labels[labelled.at(-1)!]).toBe(999);
  }
  const { labels, labelled } = data.batch(3);
  expect(labelled).toBe(labels.filter((label) => label >= 0).length);
});

test("batches depend only on seed and index, and differ from each other", () => {
  const [a, b] = [denoised(rows(), denoising(), 1), denoised(rows(), denoising(), 1)];
  b.batch(5);
  expect(a.batch(2)).toEqual(b.batch(2));
  expect(a.batch(2).ids).not.toEqual(denoised(rows(), denoising(), 2).batch(2).ids);
  const modes = Array.from({ length: 20 }, (_, i) => [0, 1, 2, 3].map((row) => rowOf(a, i, row).ids[0]).join());
  expect(new Set(modes).size).toBeGreaterThan(5);
});

test("the causal share is unchanged, without a prefix", () => {
  const [plain, data] = [rows(), denoised(rows(), denoising({ causal: 0.5 }), 1)];
  let causal = 0;
  for (let i = 0; i < 200; i++)
    for (let row = 0; row < 4; row++) {
      const { ids, labels, prefix } = rowOf(data, i, row);
      if (ids[0]! >= 1000) continue;
      causal++;
      const [from, to] = [row * 40, (row + 1) * 40];
      // Rows without text pad the last batch of an epoch.
      if (plain.batch(i).labels[from]! < 0) continue;
      expect(prefix).toBe(0);
      expect(ids).toEqual(plain.batch(i).ids.subarray(from, to));
      expect(labels).toEqual(plain.batch(i).labels.subarray(from, to));
    }
  expect(Math.abs(causal / 800 - 0.5)).toBeLessThan(0.06);
});

test("a run's mode shares equal the mixture's", () => {
  const shares = (causal: number): number[] => {
    const data = denoised(rows(12), denoising({ causal }), 7);
    const firsts = Array.from({ length: 500 }, (_, i) => [0, 1, 2, 3].map((row) => rowOf(data, i, row)))
      .flat()
      .filter(({ labels }) => labels.some((label) => label >= 0))
      .map(({ ids }) => ids[0]!);
    return [1000, 1001, 1002].map((mode) => firsts.filter((first) => first === mode).length / firsts.length);
  };
  const isRight = ([s, r, x]: number[]) =>
    Math.abs(s! - 0.5) < 0.04 && Math.abs(r! - 0.25) < 0.04 && Math.abs(x! - 0.25) < 0.04;
  expect(isRight(shares(0))).toBe(true);
  expect(isRight(shares(0.2))).toBe(false);
});

test("documents of packed rows are denoised separately, each in its place", () => {
  const random = seededRandom(1);
  const samples = Array.from({ length: 30 }, (_, i) => {
    const ids = Int32Array.from({ length: 6 + Math.floor(random() * 12) }, (_, k) => 10 * i + k);
    return { ids, labels: ids.map((id) => id + 1) };
  });
  const packed = sampleData(samples, { rows: 2, tokens: 40, packing: true });
  const data = denoised(packed, denoising(), 3);
  for (let i = 0; i < packed.batches; i++) {
    const [before, after] = [packed.batch(i), data.batch(i)];
    expect(after.documents).toEqual(before.documents);
    for (const [at, document] of before.documents!.entries()) {
      const row = Math.floor(at / 40);
      const starts = document >= 0 && (at % 40 === 0 || before.documents![at - 1] !== document);
      if (starts) expect(after.ids[at]).toBeGreaterThanOrEqual(1000);
      if (document < 0) expect([after.labels[at], after.prefix![at]]).toEqual([-1, 0]);
      else if (after.ids[at]! < 999 && after.ids[at]! > 0) {
        // Each token comes from the document at its own position.
        const first = before.documents!.findIndex((other, k) => Math.floor(k / 40) === row && other === document);
        expect(Math.floor(after.ids[at]! / 10) - Math.floor(before.ids[first]! / 10)).toBeLessThanOrEqual(1);
      }
    }
  }
});

test("a short text in a longer row is used whole", () => {
  const sample = {
    ids: Int32Array.from({ length: 19 }, (_, i) => i),
    labels: Int32Array.from({ length: 19 }, (_, i) => i + 1),
  };
  for (let seed = 0; seed < 20; seed++) {
    const data = denoised(sampleData([sample], { rows: 1, tokens: 40, packing: false }), denoising(), seed);
    const { ids, labels } = rowOf(data, 0, 0);
    const seen = new Set([...ids, labels.at(labels.findLastIndex((label) => label >= 0))!]);
    for (let token = 1; token < 20; token++) expect(seen).toContain(token);
  }
});

test("a text too short for its denoiser is unchanged", () => {
  const sample = { ids: Int32Array.of(5), labels: Int32Array.of(6) };
  const data = denoised(sampleData([sample], { rows: 1, tokens: 1, packing: false }), denoising(), 1);
  const batch = data.batch(0);
  expect([batch.ids[0], batch.labels[0], batch.labelled]).toEqual([5, 6, 1]);
});

test("under the causal mask batches have no prefix", () => {
  expect(denoised(rows(), denoising({ prefixed: false }), 1).batch(0).prefix).toBeUndefined();
});
