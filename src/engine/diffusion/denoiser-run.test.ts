import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Parity } from "../../models/parity.testing.ts";
import { openDecoder } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { DenoiserPrograms } from "./denoiser-programs.ts";
import { DenoiserRun } from "./denoiser-run.ts";

/** Compared with transformers' Llama and Qwen2, with a mask that hides nothing: tools/reference/denoisers.py. */
const fixtures = fileURLToPath(new URL("../../models/fixtures", import.meta.url));
const prepared = mkdtempSync(path.join(tmpdir(), "modicum-denoisers-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const names = ["dream", "llada"];
const worst = new Map<string, number>();

describe.each(names)("%s", async (name) => {
  const folder = path.join(fixtures, name);
  const reference = JSON.parse(readFileSync(path.join(folder, "denoised.json"), "utf8"));
  const [logits, states] = [reference.logits, reference.states].map(
    (text: string) => new Float32Array(new Uint8Array(Bytes.from(text, "base64")).buffer),
  ) as [Float32Array, Float32Array];
  const ids = Int32Array.from(reference.tokens as number[]);
  const { decoder, weights } = await openDecoder(openCheckpoint(folder), path.join(prepared, name), "f32");
  const programs = await DenoiserPrograms.compile(decoder, weights);
  afterAll(() => programs[Symbol.dispose]());
  const { vocabulary, denoiser } = decoder.config;
  const places = [...ids.keys()];
  const run = () => new DenoiserRun(programs, ids.length, ids.length);
  /** The position at which a token's logits are computed. */
  const at = (place: number) => (denoiser!.shifted ? Math.max(0, place - 1) : place);
  const row = (all: Float32Array, place: number) => all.subarray(place * vocabulary, (place + 1) * vocabulary);
  const apart = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

  test("logits and states equal transformers'", async () => {
    using one = run();
    const result = (await one.score(ids, places)).slice();
    const off = Math.max(...places.map((place) => apart(row(result, place), row(logits, at(place)))));
    worst.set(name, Math.max(off, apart(await one.states(ids, places), states)));
    expect(worst.get(name)).toBeLessThan(1e-4);
    expect(denoiser).toEqual({ mask: 70, shifted: name === "dream" });
  });

  test("the last token changes the logits of the first place", async () => {
    using one = run();
    const before = (await one.score(ids, [0])).slice();
    const other = ids.with(-1, (ids.at(-1)! + 1) % 70);
    expect(apart(await one.score(other, [0]), before)).toBeGreaterThan(1e-3);
  });

  test("after a fresh cache, logits equal a whole pass's; after an old one they differ a little", async () => {
    using one = run();
    const [first, wanted] = [16, [17, 20, 23]];
    await one.score(ids, wanted, { keep: first });
    const cached = (await one.score(ids, wanted, { after: first })).slice();
    expect(apart(cached, await one.score(ids, wanted))).toBeLessThan(1e-4);
    const later = ids.with(18, (ids[18]! + 1) % 70);
    const old = (await one.score(later, wanted, { after: first })).slice();
    const off = apart(old, await one.score(later, wanted));
    expect(off).toBeGreaterThan(1e-5);
    expect(off).toBeLessThan(2);
  });

  test("a pass behind a cache costs less, and every pass is counted", async () => {
    using one = run();
    await one.score(ids, [20], { keep: 16 });
    const whole = one.spent.flops;
    await one.score(ids, [20], { after: 16 });
    expect(one.passes).toBe(2);
    expect(one.spent.flops - whole).toBeLessThan(0.5 * whole);
  });
});

test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "denoisers");
  for (const name of names) stated.check(name, "safetensors", worst.get(name)!);
});
