import { Buffer as Bytes } from "node:buffer";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layersOf } from "../../models/decoder/decoder.ts";
import { Stack } from "../../models/programs/stack.testing.ts";
import { decoderArchitecture, openDecoder } from "../../models/registry.ts";
import { environment } from "../../runtime/ort/environment.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { exportModel } from "./export.ts";
import { checkExportFolder, type ExportResult } from "./export-folder.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-export-"));
process.env["MODICUM_HOME"] = path.join(root, "home");
process.env["ORT_DISABLE_TELEMETRY"] = "1";
// A process has only one ONNX Runtime environment, the first: if the binding creates it, this project's cannot start.
beforeAll(() => void environment());
afterAll(() => rmSync(root, { recursive: true }));

const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
const modelAt = (file: string) => ({ name: file, path: file, bytes: 0, source: "file" });
const json = (name: string) => JSON.parse(readFileSync(fixture(name), "utf8"));
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
const newFolder = () => path.join(mkdtempSync(path.join(root, "to-")), "model");

const exported = (name: string, quant: Quant = "f32"): Promise<ExportResult> =>
  exportModel(modelAt(fixture(name)), newFolder(), quant);

type Values = Readonly<Record<string, Tensor>>;
const i64 = (rows: readonly (readonly number[])[], ort: typeof import("onnxruntime-node")): Tensor =>
  new ort.Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

/** An export that ONNX Runtime's own Node binding loads, without this project's code. */
class Stock {
  #cache: Values;
  #mask: number[][];
  private constructor(
    readonly ort: typeof import("onnxruntime-node"),
    readonly session: InferenceSession,
    rows: number,
  ) {
    this.#mask = Array.from({ length: rows }, () => []);
    const past = session.inputMetadata.filter(({ name }) => name.startsWith("past_key_values."));
    const empty = (shape: readonly (string | number)[]) =>
      new ort.Tensor("float32", new Float32Array(), [rows, Number(shape[1]), 0, Number(shape[3])]);
    this.#cache = Object.fromEntries(past.map((m) => [m.name, empty(m.isTensor ? m.shape : [])]));
  }

  static async open(folder: string, rows = 1, file = "model.onnx"): Promise<Stock> {
    const ort = await import("onnxruntime-node");
    return new Stock(ort, await ort.InferenceSession.create(path.join(folder, file)), rows);
  }

  /** Logits [rows, tokens, vocabulary] of the next ids; the first `padding` positions of each row are padding. */
  async run(ids: readonly (readonly number[])[], padding = ids.map(() => 0)): Promise<Float32Array> {
    const width = ids[0]!.length;
    this.#mask = this.#mask.map((m, r) => [...m, ...ids[r]!.map((_, i) => Number(i < width - padding[r]!))]);
    const feeds = { input_ids: i64(ids, this.ort), attention_mask: i64(this.#mask, this.ort), ...this.#cache };
    const { logits, ...present } = (await this.session.run(feeds)) as Values;
    this.#cache = Object.fromEntries(
      Object.keys(this.#cache).map((n) => [n, present[n.replace(/^past_key_values/, "present")]!]),
    );
    return logits!.data as Float32Array;
  }
}

function difference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length);
  const gaps = Array.from(got, (v, i) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - expected[i]!)));
  return Math.max(...gaps);
}

/** Tokens and logits from transformers. */
function referenceOf(name: string): { tokens: number[]; logits: Float32Array } {
  const tiny = name.endsWith(".gguf");
  const { tokens, logits } = tiny
    ? json("llama-tiny.json").models.find(({ file }: { file: string }) => file === name)
    : json(`${name}/reference.json`);
  return { tokens, logits: unpack(logits) };
}

// Features: GPT-2 has learned positions, Qwen a sliding window, gpt-oss sinks, Gemma 4 heads of two sizes, its E2B
// layers that share keys, Llama 4 chunks and temperatures, Cohere 2 parallel sublayers, EXAONE 4 norms after sublayers,
// DeepSeek latent attention, GLM-4.5 sigmoid gates.
const attending = [
  "gpt_oss",
  "gemma4",
  "gemma4-e2b",
  "gemma4-experts",
  "llama4-chunks",
  "cohere2",
  "exaone4",
  "deepseek_v2",
  "deepseek_v3",
  "glm4_moe",
];
describe.each(["llama-tiny.gguf", "gpt2", "qwen2-window", ...attending])(
  "%s in stock ONNX Runtime equals transformers",
  (name) => {
    const { tokens, logits } = referenceOf(name);
    const vocabulary = logits.length / tokens.length;
    const rows = (from: number, to: number) => [...logits.subarray(from * vocabulary, to * vocabulary)];

    test("at once, and a prompt, then token by token", async () => {
      const { folder } = await exported(name);
      expect(difference(await (await Stock.open(folder)).run([tokens]), logits)).toBeLessThan(1e-4);
      const stock = await Stock.open(folder);
      const steps = [...(await stock.run([tokens.slice(0, 30)]))];
      for (const token of tokens.slice(30)) steps.push(...(await stock.run([[token]])));
      expect(difference(steps, logits)).toBeLessThan(1e-4);
    });

    test("two rows, the shorter one padded", async () => {
      const stock = await Stock.open((await exported(name)).folder, 2);
      const [long, short] = [20, 12];
      const prompts = [tokens.slice(0, long), [...tokens.slice(0, short), ...new Array(long - short).fill(0)]];
      const first = await stock.run(prompts, [0, long - short]);
      expect(
        difference(first.subarray(0, (long + short) * vocabulary), [...rows(0, long), ...rows(0, short)]),
      ).toBeLessThan(1e-4);
      for (let step = 0; step < 8; step++) {
        const got = await stock.run([[tokens[long + step]!], [tokens[short + step]!]]);
        const expected = [...rows(long + step, long + step + 1), ...rows(short + step, short + step + 1)];
        expect(difference(got, expected)).toBeLessThan(1e-4);
      }
    });
  },
);

test.each([
  ["mamba", ["past_states.0", "past_states.1"]],
  ["mamba2", ["past_states.0", "past_states.1"]],
  [
    "granitemoehybrid-dense",
    [0, 2]
      .flatMap((l) => [`past_key_values.${l}.key`, `past_key_values.${l}.value`])
      .concat("past_states.1", "past_states.3"),
  ],
  [
    "falcon_h1-before",
    [0, 1]
      .flatMap((l) => [`past_key_values.${l}.key`, `past_key_values.${l}.value`])
      .concat("past_states.0", "past_states.1"),
  ],
])("%s in stock ONNX Runtime equals transformers, its states handed on", async (name, inputNames) => {
  const { inputs, apart } = await handedOn(name);
  expect(inputs).toEqual(inputNames);
  expect(apart).toBeLessThan(1e-4);
});

test.each(["lfm2", "lfm2_moe", "nemotron_h", "nemotron_h-experts", "qwen3_next", "qwen3_5", "qwen3_5_moe"])(
  "%s, a hybrid, in stock ONNX Runtime equals transformers, its states handed on",
  async (name) => {
    const { inputs, apart } = await handedOn(name);
    const checkpoint = openCheckpoint(fixture(name));
    const config = (await decoderArchitecture(checkpoint)).configure(checkpoint.config);
    const caches = layersOf(config, "attention").flatMap((l) => [
      `past_key_values.${l}.key`,
      `past_key_values.${l}.value`,
    ]);
    expect(inputs).toEqual([...caches, ...layersOf(config, "recurrent").map((l) => `past_states.${l}`)].toSorted());
    expect(apart).toBeLessThan(1e-4);
  },
);

/** Runs a prompt, then token by token. Returns the states' names, and the logits' difference from the reference. */
async function handedOn(name: string) {
  const ort = await import("onnxruntime-node");
  const { tokens, logits } = referenceOf(name);
  const { folder } = await exported(name);
  const session = await ort.InferenceSession.create(path.join(folder, "model.onnx"));
  let states: Values = Object.fromEntries(
    session.inputMetadata.slice(1).map((input) => {
      // A state has a fixed size, and a cache is empty at first.
      const shape = input.isTensor ? input.shape.slice(1).map((size) => (typeof size === "number" ? size : 0)) : [];
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      return [input.name, new ort.Tensor("float32", values, [1, ...shape])];
    }),
  );
  const inputs = Object.keys(states).toSorted();
  const results: number[] = [];
  for (const part of [tokens.slice(0, 30), ...tokens.slice(30).map((token) => [token])]) {
    const { logits: own, ...present } = (await session.run({ input_ids: i64([part], ort), ...states })) as Values;
    states = Object.fromEntries(Object.entries(present).map(([n, value]) => [keptAs(n), value]));
    results.push(...(own!.data as Float32Array));
  }
  return { inputs, apart: difference(results, logits) };
}

// The adapter is merged, except if the token table is also the head, or the model is a GGUF.
test.each(["llama", "gemma3", "llama-gguf-head"])(
  "with an adapter, %s, in stock ONNX Runtime equals PEFT",
  async (name) => {
    const adapter = fileURLToPath(new URL(`../../weights/adapter/fixtures/${name}`, import.meta.url));
    const { base, tokens, logits } = JSON.parse(readFileSync(path.join(adapter, "reference.json"), "utf8"));
    const { folder } = await exportModel(modelAt(fixture(base)), newFolder(), "f32", { adapter });
    expect(difference(await (await Stock.open(folder)).run([tokens]), unpack(logits))).toBeLessThan(1e-4);
  },
);

test("LongRoPE beyond its first context in stock ONNX Runtime equals transformers", async () => {
  const { cases } = json("phi3-long/long.json");
  const stock = await Stock.open((await exported("phi3-long")).folder);
  const { prompt, next, logits } = cases[3];
  const expected = unpack(logits);
  const last = (await stock.run([prompt])).slice(-expected.length / next.length);
  const rows = [...last];
  for (const token of next.slice(0, -1)) rows.push(...(await stock.run([[token]])));
  expect(prompt.length).toBe(49);
  expect(difference(rows, expected)).toBeLessThan(1e-4);
});

test("rounded weights give the logits that this project's own programs give", async () => {
  const { tokens } = referenceOf("llama-tiny.gguf");
  const { folder } = await exported("llama-tiny.gguf", "q8");
  const { decoder, weights } = await openDecoder(
    openCheckpoint(fixture("llama-tiny.gguf")),
    path.join(root, "own"),
    "q8",
  );
  using stack = await Stack.compile(decoder, weights, "whole");
  expect(difference(await (await Stock.open(folder)).run([tokens]), await stack.run(tokens))).toBeLessThan(1e-5);
});

test.each(["bert", "modernbert-mlm"])("an encoder, %s, in stock ONNX Runtime equals transformers", async (name) => {
  const { texts, types, hidden, outputs } = json(`${name}/encoder.json`);
  const { session, ort } = await Stock.open((await exported(name)).folder);
  const got = { hidden: [] as number[], outputs: [] as number[] };
  for (const [i, text] of texts.entries()) {
    const feeds = {
      input_ids: i64([text], ort),
      attention_mask: i64([text.map(() => 1)], ort),
      token_type_ids: i64([types?.[i] ?? text.map(() => 0)], ort),
    };
    const known = Object.entries(feeds).filter(([input]) => session.inputNames.includes(input));
    const { last_hidden_state, logits } = (await session.run(Object.fromEntries(known))) as Values;
    got.hidden.push(...(last_hidden_state!.data as Float32Array));
    got.outputs.push(...(logits!.data as Float32Array));
  }
  expect(difference(got.hidden, unpack(hidden))).toBeLessThan(1e-4);
  expect(difference(got.outputs, unpack(outputs))).toBeLessThan(1e-4);
});

/** The name of the input that corresponds to an output. */
const keptAs = (output: string) =>
  output.replace(/^present(?=_states)/, "past").replace(/^present(?=\.)/, "past_key_values");

/** A cache's input names by its output names. */
const pastOf = (present: string) => present.replace(/^present/, "past_key_values");

test.each(["t5", "t5-gated/model.gguf"])("%s, two graphs, in stock ONNX Runtime equals transformers", async (name) => {
  const { folder, files } = await exported(name);
  expect(files.slice(-2)).toEqual(["decoder_model.onnx", "encoder_model.onnx"]);
  const [encoder, decoder] = await Promise.all(
    ["encoder_model.onnx", "decoder_model.onnx"].map((file) => Stock.open(folder, 1, file)),
  );
  const ort = encoder!.ort;
  const { texts, targets, hidden, logits } = json(`${name.replace("/model.gguf", "")}/seq2seq.json`);
  const got = { hidden: [] as number[], logits: [] as number[] };
  for (const [i, text] of texts.entries()) {
    const mask = i64([text.map(() => 1)], ort);
    const source = { input_ids: i64([text], ort), attention_mask: mask };
    const { last_hidden_state, ...rows } = (await encoder!.session.run(source)) as Values;
    got.hidden.push(...(last_hidden_state!.data as Float32Array));
    const feeds: Record<string, Tensor> = { encoder_attention_mask: mask };
    for (const [key, tensor] of Object.entries(rows)) {
      feeds[pastOf(key)] = tensor;
      const none = [1, tensor.dims[1]!, 0, tensor.dims[3]!];
      feeds[pastOf(key).replace("encoder", "decoder")] = new ort.Tensor("float32", new Float32Array(), none);
    }
    for (const ids of [targets[i].slice(0, 5), ...targets[i].slice(5).map((id: number) => [id])]) {
      const step = (await decoder!.session.run({ ...feeds, input_ids: i64([ids], ort) })) as Values;
      for (const [key, tensor] of Object.entries(step)) feeds[pastOf(key)] = tensor;
      got.logits.push(...(step["logits"]!.data as Float32Array));
      delete feeds["logits"];
    }
  }
  expect(difference(got.hidden, unpack(hidden))).toBeLessThan(1e-4);
  expect(difference(got.logits, unpack(logits))).toBeLessThan(1e-4);
});

test("tells its inputs, outputs and files; configuration and tokenizer come along, weights do not", async () => {
  const model = path.join(root, "whole");
  await cp(fixture("qwen3"), model, { recursive: true });
  for (const name of ["tokenizer.json", "chat_template.jinja", "README.md", "model.safetensors.bak"])
    writeFileSync(path.join(model, name), "{}");
  const { folder, files } = await exportModel(modelAt(model), newFolder(), "f32");
  expect(files.at(-1)).toBe("model.onnx");
  const names = ["chat_template.jinja", "config.json", "model.onnx", "model.onnx.data", "tokenizer.json"];
  expect(readdirSync(folder).sort()).toEqual(names);
  const { session } = await Stock.open(folder);
  expect(session.inputNames.slice(0, 4)).toEqual([
    "input_ids",
    "attention_mask",
    "past_key_values.0.key",
    "past_key_values.0.value",
  ]);
  expect(session.outputNames.slice(0, 3)).toEqual(["logits", "present.0.key", "present.0.value"]);
});

describe("a folder that is not to be written to", () => {
  const model = modelAt(fixture("llama-tiny.gguf"));

  test("with something in it: one sentence, and nothing changes", async () => {
    const folder = newFolder();
    mkdirSync(folder);
    writeFileSync(path.join(folder, "thesis.txt"), "years of work");
    const message = `${folder}: the folder is not empty (it has "thesis.txt"); name a new one`;
    expect(() => checkExportFolder(folder)).toThrow(new UserError(message));
    await expect(exportModel(model, folder, "f32")).rejects.toThrow(new UserError(message));
    expect(readdirSync(folder)).toEqual(["thesis.txt"]);
  });

  test.each(["", "sub"])("a file, or below one: one sentence", (below) => {
    const file = path.join(root, "file");
    writeFileSync(file, "");
    const folder = path.join(file, below);
    const message = `cannot write ${folder}: a part of the path is a file, not a folder`;
    expect(() => checkExportFolder(folder)).toThrow(new UserError(message));
  });

  test.skipIf(process.getuid?.() === 0)("without permission: one sentence", async () => {
    const locked = newFolder();
    mkdirSync(locked, { mode: 0o500 });
    await expect(exportModel(model, path.join(locked, "sub"), "f32")).rejects.toThrow(/permission denied/);
    chmodSync(locked, 0o700);
  });
});

test("stopped half-way, it leaves no folder; what a killed one left is written over", async () => {
  const model = modelAt(fixture("llama-tiny.gguf"));
  const folder = newFolder();
  const stop = new AbortController();
  const options = { signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) };
  await expect(exportModel(model, folder, "f32", options)).rejects.toThrow("enough");
  expect(existsSync(folder)).toBe(false);
  mkdirSync(path.join(folder, ".exporting"), { recursive: true });
  writeFileSync(path.join(folder, ".exporting", "model.onnx.data"), "half");
  await exportModel(model, folder, "f32");
  expect(readdirSync(folder).sort()).toEqual(["model.onnx", "model.onnx.data"]);
});
