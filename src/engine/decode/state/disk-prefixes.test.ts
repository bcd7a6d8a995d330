import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan, type Plan } from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import type { Quant } from "../../../weights/prepared/quant.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import type { AdapterFolders } from "../../file/adapters.ts";
import { openModel } from "../../file/open-model.ts";
import { PREFILL_CHUNK } from "../run/chunk.ts";
import { Engine } from "../run/engine.ts";
import { DiskPrefixes, keepPrefixes } from "./disk-prefixes.ts";
import { PrefixFolder } from "./prefix-folder.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-prefixes-"));
afterAll(() => rmSync(root, { recursive: true }));

async function open(name: string, bound: string, folder: PrefixFolder): Promise<Engine> {
  const source = fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
  const { decoder, weights } = await openDecoder(openCheckpoint(source), path.join(root, "programs", name), "f32");
  const engine = await Engine.create(decoder, weights);
  engine.prefixes = new DiskPrefixes(folder, bound);
  return engine;
}

const random = seededRandom(3);
const prompt = Array.from({ length: 2 * PREFILL_CHUNK + 40 }, () => Math.floor(60 * random()));

/** The tokens that came from disk, and the logits after the prompt. */
async function answered(engine: Engine, plan: Plan = densePlan, text: readonly number[] = prompt, used = new Date()) {
  const slot = engine.acquire(text, plan);
  let restored = 0;
  for await (const tokens of engine.prefixes!.restore(slot, text, plan, used)) restored += tokens;
  let logits = new Float32Array();
  for await (const row of engine.chunks(slot, text, { plan, meter: new Meter(engine.programs) })) {
    engine.prefixes!.keep(slot, plan, used);
    if (row) logits = row.slice();
  }
  engine.release(slot);
  return { restored, logits };
}

const fresh = (limit = 1e9, onNotice?: (sentence: string) => void) => {
  const at = mkdtempSync(path.join(root, "folder-"));
  return { at, folder: new PrefixFolder(at, limit, onNotice) };
};

const otherState: Plan = { ...densePlan, state: { prompt: "other", answer: "other" } };

describe.each([
  { kind: "full attention", name: "glm4_moe" },
  { kind: "windows", name: "exaone4" },
  { kind: "shared keys", name: "gemma4-e2b" },
  { kind: "states and attention", name: "granitemoehybrid" },
  { kind: "states", name: "mamba2" },
])("a model with $kind", ({ name }) => {
  test("finds its whole chunks after a restart, with the same logits to the bit", async () => {
    const { at, folder } = fresh();
    using cold = await open(name, "a", folder);
    const first = await answered(cold);
    await folder.written;
    expect(first.restored).toBe(0);
    for (const file of readdirSync(at)) expect(statSync(path.join(at, file)).mode & 0o777).toBe(0o600);
    using again = await open(name, "a", folder);
    // A few tokens in memory do not prevent reading from disk.
    await answered(again, densePlan, prompt.slice(0, 9));
    const { restored, logits } = await answered(again);
    expect(restored).toBeGreaterThan(PREFILL_CHUNK);
    expect(logits).toEqual(first.logits);
    expect((await answered(again)).restored).toBe(0);
    using other = await open(name, "b", folder);
    expect((await answered(other)).restored).toBe(0);
    again.forget();
    expect((await answered(again, otherState)).restored).toBe(0);
  });
});

test.each<[string, (file: string) => void]>([
  ["shortened", (file) => truncateSync(file, 1000)],
  ["lengthened", (file) => appendFileSync(file, "x")],
  ["changed", (file) => writeFileSync(file, "x", { flag: "r+" })],
])("a file that was %s is dropped, and its chunk runs", async (_, damage) => {
  const { at, folder } = fresh();
  using cold = await open("glm4_moe", "a", folder);
  const first = await answered(cold);
  await folder.written;
  const files = readdirSync(at);
  for (const file of files) damage(path.join(at, file));
  using again = await open("glm4_moe", "a", folder);
  expect(await answered(again)).toEqual({ restored: 0, logits: first.logits });
  await folder.written;
  again.forget();
  expect((await answered(again)).restored).toBeGreaterThan(0);
});

test("the least recently used go, the end of a prompt before its beginning", async () => {
  const sizes = (at: string) => readdirSync(at).map((file) => statSync(path.join(at, file)).size);
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const all = fresh();
  using engine = await open("glm4_moe", "a", all.folder);
  const later = (seconds: number) => new Date(Date.now() + 1000 * seconds);
  const ask = async (text: readonly number[], folder: PrefixFolder, seconds: number) => {
    engine.forget();
    engine.prefixes = new DiskPrefixes(folder, "a");
    const { restored } = await answered(engine, densePlan, text, later(seconds));
    await folder.written;
    return restored;
  };
  await ask(prompt, all.folder, 0);
  const whole = await ask(prompt, all.folder, 0);
  const first = Math.max(...sizes(all.at));
  // Room for the prompt and one chunk of another prompt; a twentieth is left free.
  const { at, folder } = fresh((sum(sizes(all.at)) + 1.5 * first) / 0.95);
  const others = [1, 2].map((i) => prompt.map((id) => (id + i) % 60).slice(0, PREFILL_CHUNK + 1));
  for (const [i, text] of [prompt, others[0]!, prompt, others[1]!].entries()) await ask(text, folder, i);
  expect(sum(sizes(at))).toBe(sum(sizes(all.at)) + first);
  expect(await ask(prompt, folder, 4)).toBe(whole);
  expect(await ask(others[0]!, folder, 5)).toBe(0);
  const narrow = fresh((1.5 * first) / 0.95);
  await ask(prompt, narrow.folder, 0);
  const some = await ask(prompt, narrow.folder, 1);
  expect(some).toBeGreaterThanOrEqual(PREFILL_CHUNK);
  expect(some).toBeLessThan(whole);
});

test("chunks are bound to the model's form and to each adapter", async () => {
  const fixture = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
  const source = await resolveModel(fixture("models/fixtures/llama-tiny.gguf"));
  const { folder } = fresh();
  const namesFor = async (quant: Quant, adapters: AdapterFolders) => {
    const model = await openModel(source, [], quant, adapters);
    if (model.kind !== "decoder") throw new Error("expected a decoder");
    await keepPrefixes(model, folder, adapters);
    const { named } = adapters.adapters ?? {};
    const results = JSON.stringify([model.engine, ...(named ? [model.engineFor("named")] : [])].map((e) => e.prefixes));
    model[Symbol.dispose]();
    return JSON.parse(results) as unknown[];
  };
  const adapter = fixture("weights/adapter/fixtures/llama-gguf");
  const [[base], [again], [other], [own], [beside, named]] = await Promise.all([
    namesFor("auto", {}),
    namesFor("auto", {}),
    namesFor("f32", {}),
    namesFor("auto", { adapter }),
    namesFor("auto", { adapters: { named: adapter } }),
  ]);
  expect(again).toEqual(base);
  expect(beside).toEqual(base);
  expect(named).toEqual(own);
  for (const one of [other, own]) expect(one).not.toEqual(base);
});

test("a folder that cannot be written is told once, and prompts run", async () => {
  const notices: string[] = [];
  const file = path.join(root, "a-file");
  writeFileSync(file, "");
  const folder = new PrefixFolder(path.join(file, "folder"), 1e9, (sentence) => notices.push(sentence));
  using engine = await open("glm4_moe", "a", folder);
  const { logits } = await answered(engine);
  await folder.written;
  expect(logits.length).toBeGreaterThan(0);
  expect(notices).toEqual([expect.stringMatching(/^cannot write .*a-file/)]);
});
