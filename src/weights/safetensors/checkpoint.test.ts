import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { callsOf } from "../../util/calls.testing.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../checkpoint.ts";
import { withHeader, writeSafetensors } from "./safetensors.testing.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "modicum-safetensors-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => path.join(folder, name);
const put = (name: string, content: string | Uint8Array | object) =>
  writeFileSync(
    at(name),
    typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content),
  );
const floats = (...values: number[]) => ({
  dtype: "F32" as const,
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});

test("a folder: its configuration, and its tensors by name", () => {
  put("config.json", { model_type: "tiny", hidden_size: 3 });
  put("model.safetensors", writeSafetensors({ a: floats(1, 2, 3), b: floats(4) }));
  const checkpoint = openCheckpoint(folder);
  expect(checkpoint).toMatchObject({
    path: folder,
    files: [at("config.json"), at("model.safetensors")],
    config: { kind: "huggingface", path: at("config.json"), config: { model_type: "tiny", hidden_size: 3 } },
    architecture: "tiny",
  });
  expect([...checkpoint.tensors.keys()]).toEqual(["a", "b"]);
  const [a, b] = [...checkpoint.tensors.values()] as const;
  expect(checkpoint.floats(a!)).toEqual(Float32Array.of(1, 2, 3));
  expect(checkpoint.floats(a!, [1, 3])).toEqual(Float32Array.of(2, 3));
  expect(checkpoint.floats(b!)).toEqual(Float32Array.of(4));
});

test("one file by its path, with config.json beside it; and the only file of a folder, whatever its name", () => {
  put("config.json", { model_type: "tiny" });
  put("other.safetensors", writeSafetensors({ a: floats(1) }));
  for (const model of [at("other.safetensors"), folder])
    expect([...openCheckpoint(model).tensors.keys()]).toEqual(["a"]);
});

function shards(map: Record<string, unknown>): void {
  put("config.json", { model_type: "tiny" });
  put("model.safetensors.index.json", { metadata: { total_size: 12 }, weight_map: map });
  put("one.safetensors", writeSafetensors({ a: floats(1), unlisted: floats(9) }));
  put("two.safetensors", writeSafetensors({ b: floats(2, 3) }));
}

test("a sharded model: each tensor from the file that the index names", () => {
  shards({ b: "two.safetensors", a: "one.safetensors" });
  const { files, tensors, floats } = openCheckpoint(folder);
  expect(files.map((f) => path.basename(f))).toEqual([
    ...["config.json", "model.safetensors.index.json", "one.safetensors", "two.safetensors"],
  ]);
  expect([...tensors.keys()].toSorted()).toEqual(["a", "b"]);
  expect(floats(tensors.get("b")!)).toEqual(Float32Array.of(2, 3));
  expect(floats(tensors.get("a")!)).toEqual(Float32Array.of(1));
});

function model(weights: string, config: string | object): void {
  put("model.safetensors", weights);
  put("config.json", config);
}

const refusals: [string, () => unknown, string][] = [
  [
    "no weights",
    () => put("config.json", {}),
    ": there are no weights in this folder, expected model.safetensors or model.safetensors.index.json",
  ],
  [
    "only a pickle",
    () => put("pytorch_model.bin", "PK"),
    "/pytorch_model.bin: this is a Python pickle, which may run any code and is never opened; ask for the model's safetensors, or write them with transformers: AutoModel.from_pretrained(DIR).save_pretrained(DIR)",
  ],
  [
    "only a pickle in parts",
    () => put("pytorch_model-00001-of-00002.bin", "PK"),
    "/pytorch_model-00001-of-00002.bin: this is a Python pickle, which may run any code and is never opened; ask for the model's safetensors, or write them with transformers: AutoModel.from_pretrained(DIR).save_pretrained(DIR)",
  ],
  ["GGUF files", () => put("m.gguf", ""), ': this folder holds GGUF files; name one of them: "m.gguf"'],
  [
    "several files and no index",
    () => ["x", "y", "z", "w"].map((n) => put(`${n}.safetensors`, "")),
    ': there is no model.safetensors.index.json for "w.safetensors", "x.safetensors", "y.safetensors" and 1 more',
  ],
  [
    "no configuration",
    () => put("model.safetensors", writeSafetensors({})),
    "/config.json: there is no such file, expected the model's configuration beside its weights",
  ],
  [
    "a LoRA adapter",
    () => {
      put("adapter_model.safetensors", writeSafetensors({}));
      put("adapter_config.json", {});
    },
    ": this is a LoRA adapter; pass its base model as the model, and this folder as --adapter",
  ],
  ["a configuration that is no JSON", () => model("", "{"), "/config.json: this is not JSON"],
  ["a configuration that is a list", () => model("", "[]"), "/config.json: expected an object, got []"],
  [
    "a configuration nested without end",
    () => model("", `{"a":${"[".repeat(1e6)}${"]".repeat(1e6)}}`),
    "/config.json: this is not JSON",
  ],
  ["no model_type", () => model("", "{}"), '/config.json: "model_type" is missing, expected a name'],
  [
    "a model_type that is no text",
    () => model("", '{"model_type":7}'),
    '/config.json: "model_type" is 7, expected a name',
  ],
  [
    "quantised weights",
    () => model("", { model_type: "llama", quantization_config: { quant_method: "gptq" } }),
    '/config.json: weights quantised by "gptq" ("quantization_config") are not supported; use the model\'s unquantised weights, or a GGUF',
  ],
  [
    "a broken file",
    () => model("oops", { model_type: "tiny" }),
    "/model.safetensors: a safetensors file has at least 8 bytes, got 4",
  ],
  [
    "an index without a map",
    () => put("model.safetensors.index.json", {}),
    '/model.safetensors.index.json: "weight_map": expected the file of each tensor, got nothing',
  ],
  [
    "a shard elsewhere",
    () => shards({ a: "../one.safetensors" }),
    '/model.safetensors.index.json: "../one.safetensors" is not the name of a safetensors file in the same folder',
  ],
  [
    "a shard that is a pickle",
    () => shards({ a: "one.bin" }),
    '/model.safetensors.index.json: "one.bin" is not the name of a safetensors file in the same folder',
  ],
  [
    "a shard that is no text",
    () => shards({ a: 1 }),
    "/model.safetensors.index.json: 1 is not the name of a safetensors file in the same folder",
  ],
  [
    "shards missing",
    () => shards(Object.fromEntries(["a", "b", "c", "d", "e"].map((n) => [n, `${n}.safetensors`]))),
    '/model.safetensors.index.json: "a.safetensors", "b.safetensors", "c.safetensors" and 2 more of its 5 files are missing',
  ],
  [
    "a tensor that its shard lacks",
    () => shards({ a: "one.safetensors", b: "one.safetensors" }),
    '/model.safetensors.index.json: "b" of its 2 tensors are not in the files that it names',
  ],
];

test.each(refusals)("%s: one sentence", (_, make, sentence) => {
  make();
  expect(() => openCheckpoint(folder)).toThrow(new UserError(`${folder}${sentence}`));
});

test("a pickle or a file that is not there, by its path: one sentence", () => {
  put("pytorch_model.bin", "PK");
  expect(() => openCheckpoint(at("pytorch_model.bin"))).toThrow("is a Python pickle");
  expect(() => openCheckpoint(at("model.pt"))).toThrow("is a Python pickle");
  put("config.json", { model_type: "tiny" });
  expect(() => openCheckpoint(at("absent.safetensors"))).toThrow(
    new UserError(`${at("absent.safetensors")}: there is no such file`),
  );
  mkdirSync(at("folder.safetensors"));
  put("folder.safetensors/config.json", { model_type: "tiny" });
  expect(() => openCheckpoint(at("folder.safetensors"))).toThrow("there are no weights in this folder");
});

test("a file of 2 GB opens with little work, and a row at its end is read by itself", async () => {
  put("config.json", { model_type: "tiny" });
  const rows = 2 ** 18;
  const entry = { dtype: "F16", shape: [rows, 4096], data_offsets: [0, rows * 8192] };
  const header = withHeader(JSON.stringify({ big: entry }), 0);
  const fd = openSync(at("model.safetensors"), "w");
  writeSync(fd, header);
  ftruncateSync(fd, header.length + rows * 8192);
  closeSync(fd);
  const before = process.memoryUsage().arrayBuffers;
  let last: Float32Array | undefined;
  const calls = await callsOf(() => {
    const { tensors, floats } = openCheckpoint(folder);
    last = floats(tensors.get("big")!, [rows - 1, rows]);
  });
  expect(calls).toBeLessThan(500_000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  expect(last).toEqual(new Float32Array(4096));
});
