import { Buffer as Bytes } from "node:buffer";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type Model, UserError } from "../../index.ts";
import { Stack } from "../../models/programs/stack.testing.ts";
import { openDecoder } from "../../models/registry.ts";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import { Meter } from "../bill/meter.ts";
import type { Engine } from "../decode/run/engine.ts";
import { openAdapted } from "./adapters.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
const adapter = (name: string) => fileURLToPath(new URL(`../../weights/adapter/fixtures/${name}`, import.meta.url));
const base = fixture("llama-tiny.gguf");
const adapters = { poet: adapter("llama-gguf"), coder: adapter("llama-gguf-head") };

interface Reference {
  readonly tokens: number[];
  /** [tokens, vocabulary] */
  readonly logits: Float32Array;
}

const reference = ({ tokens, logits }: { tokens: number[]; logits: string }): Reference => ({
  tokens,
  logits: new Float32Array(new Uint8Array(Bytes.from(logits, "base64")).buffer),
});
const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));
/** PEFT's results, and transformers' for the base. */
const references = {
  poet: reference(json(path.join(adapters.poet, "reference.json"))),
  coder: reference(json(path.join(adapters.coder, "reference.json"))),
  base: reference(json(fixture("llama-tiny.json")).models[0]),
};
type Who = keyof typeof references;

/** The greatest difference from the reference's logits after token `at`. */
function gap(who: Who, logits: Float32Array, at: number): number {
  const expected = references[who].logits.subarray(at * logits.length, (at + 1) * logits.length);
  return Math.max(...logits.map((v, i) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - expected[i]!))));
}

/** Logits after a prompt. */
async function logitsOf(engine: Engine): Promise<Float32Array> {
  const { tokens } = references.base;
  const slot = engine.acquire(tokens);
  const logits = (await engine.prefill(slot, tokens, new Meter(engine.programs))).slice();
  engine.release(slot);
  return logits;
}

test("a decoder's table and head that PEFT saved whole replace the base's; a tied head is no separate one", async () => {
  const saved = adapter("llama-saved");
  const { tokens, logits } = reference(json(path.join(saved, "reference.json")));
  const { checkpoint } = await openAdapted(fixture("llama-biased"), { adapter: saved });
  const { decoder, weights } = await openDecoder(checkpoint, tempFolder(), "f32");
  using stack = await Stack.compile(decoder, weights, "whole");
  const result = await stack.run(tokens);
  expect(Math.max(...result.map((v, i) => Math.abs(v - logits[i]!)))).toBeLessThan(1e-4);
  const tied = openAdapted(fixture("ernie4_5"), { adapter: saved });
  await expect(tied).rejects.toThrow(/llama-saved: the adapter does not fit .*ernie4_5: /);
  await expect(openAdapted(base, { adapter: saved })).rejects.toThrow(/tensors that do not belong to a plain LoRA/);
});

const prompt = { prompt: "the cat and the hat on a mat", raw: true, maxTokens: 12 } as const;

describe("two adapters beside one base", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(base, { adapters, quant: "f32" });
  });
  afterAll(() => model.dispose());
  const engine = (who: Who): Engine => (who === "base" ? model.language.engine : model.language.engineFor(who));

  test("prompts and steps by turns: each has its own reference's logits", async () => {
    const running = (["poet", "base", "coder"] as const).map((who) => {
      const { tokens } = references[who];
      return { who, tokens, meter: new Meter(engine(who).programs), slot: engine(who).acquire(tokens.slice(0, 40)) };
    });
    for (const { who, tokens, slot, meter } of running)
      expect(gap(who, await engine(who).prefill(slot, tokens.slice(0, 40), meter), 39)).toBeLessThan(1e-4);
    for (let at = 40; at < 48; at++)
      for (const { who, tokens, slot, meter } of running)
        expect(gap(who, await engine(who).step(slot, tokens[at]!, meter), at)).toBeLessThan(1e-4);
    for (const { who, slot } of running) engine(who).release(slot);
  });

  test("a prompt's cache is not another adapter's", async () => {
    const { prompt: text, ...options } = { ...prompt, prompt: "he is on the train at ten" };
    for (const own of [{}, { adapter: "poet" }, { adapter: "coder" }]) {
      const first = await model.complete(text, { ...options, ...own });
      expect(first.receipt.tokens.cached).toBe(0);
      const again = await model.complete(text, { ...options, ...own });
      expect(again.receipt.tokens.cached).toBe(first.receipt.tokens.prompt - 1);
    }
  });

  test("requests of all decode in one call as they do alone", async () => {
    const requests = [undefined, "poet", "coder", "poet", undefined].map((name, i) => {
      return { ...prompt, maxTokens: 5 + 3 * i, ...(name !== undefined && { adapter: name }) };
    });
    const together = await model.completeAll(requests);
    const alone = [];
    for (const { prompt: text, ...options } of requests) alone.push(await model.complete(text, options));
    expect(together.map((a) => a.text)).toEqual(alone.map((a) => a.text));
    expect(new Set(together.slice(0, 3).map((a) => a.text.slice(0, 5))).size).toBe(3);
  });

  test("the branch is in both columns of the bill: it costs, and it saves nothing", async () => {
    const bill = async (own: object) => {
      using fresh = await load(base, { adapters, quant: "f32" });
      const { prompt: text, ...options } = prompt;
      return (await fresh.complete(text, { ...options, ...own })).receipt;
    };
    const [plain, poet] = [await bill({}), await bill({ adapter: "poet" })];
    for (const { flops, bytes } of [plain, poet]) {
      expect(flops).toEqual({ dense: flops.spent, spent: flops.spent, overhead: 0, saved: 0 });
      expect(bytes.dense).toBe(bytes.spent);
    }
    // In each of two layers: rank 8 for q and k (over fused qkv), rank 4 for o, rank 4 for up (over fused gate and up).
    const [hidden, ffn, heads, kvHeads] = [64, 32, 64, 32];
    const before = 8 * (hidden + heads + 2 * kvHeads);
    const after = 4 * (heads + hidden) + 4 * (hidden + 2 * ffn);
    const { prompt: promptIds, completion } = poet.tokens;
    const tokens = promptIds + completion - 1;
    expect(poet.tokens).toEqual(plain.tokens);
    // After the last attention, only tokens whose logits are needed run.
    const branch = 2 * before * tokens + after * (tokens + completion);
    expect(poet.flops.spent - plain.flops.spent).toBe(2 * branch);
    expect(poet.bytes.spent).toBeGreaterThan(plain.bytes.spent);
  });

  test("an adapter that there is not: the nearest name", async () => {
    const run = model.complete(prompt.prompt, { adapter: "poets" });
    await expect(run).rejects.toThrow('there is no adapter "poets", expected one of poet, coder; did you mean "poet"?');
    await expect(model.completeAll([prompt, { ...prompt, adapter: "x" }])).rejects.toThrow(UserError);
  });
});

test.each(["f32", "q8"] as const)(
  "%s weights that all hold together are what each has alone, to the bit",
  async (quant) => {
    using together = await load(base, { adapters, quant });
    for (const name of [undefined, "poet", "coder"] as const) {
      using alone = await load(base, name === undefined ? { quant } : { adapter: adapters[name], quant });
      const shared = name === undefined ? together.language.engine : together.language.engineFor(name);
      expect(await logitsOf(shared)).toEqual(await logitsOf(alone.language.engine));
    }
  },
);

test("one adapter for every request: on a GGUF it is kept apart", async () => {
  using model = await load(base, { adapter: adapters.coder, quant: "f32" });
  const { engine } = model.language;
  const { tokens } = references.coder;
  const slot = engine.acquire(tokens);
  expect(gap("coder", await engine.prefill(slot, tokens, new Meter(engine.programs)), 47)).toBeLessThan(1e-4);
  engine.release(slot);
  await expect(model.complete(prompt.prompt, { adapter: "poet" })).rejects.toThrow("was loaded without adapters");
});

describe("refused in one sentence", () => {
  test.each([
    ["both kinds", base, { adapter: adapters.poet, adapters }, "not both"],
    [
      "a folder without an adapter",
      base,
      { adapters: { poet: fixture("gpt2") } },
      /adapter_config.json, .* PEFT adapter$/,
    ],
    ["another model's", fixture("llama-tiny-untied.gguf"), { adapters }, /llama-gguf: the adapter does not fit/],
    ["an encoder", fixture("bert"), { adapters }, /bert is an encoder: it takes one adapter for every request/],
  ])("%s", async (_, path, options, says) => {
    await expect(load(path, options)).rejects.toThrow(UserError);
    await expect(load(path, options)).rejects.toThrow(says);
  });
});

test("the folder of a training that was stopped is refused with the command that goes on", async () => {
  const folder = path.dirname(writeAt(path.join(tempFolder(), "run.json"), "{}"));
  await expect(load(base, { adapter: folder })).rejects.toThrow(
    `; if it holds a stopped training run, \`modicum train --resume ${folder}\` continues it`,
  );
});
