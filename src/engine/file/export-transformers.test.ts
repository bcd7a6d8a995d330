/** Exported encoders with an adapter's trained head equal the unmerged base and adapter; transformers loads exports. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { load } from "../../library/load.ts";
import { difference, run } from "../../models/encoder/encoder.testing.ts";
import { traceHidden, traceScores } from "../../models/encoder/encoder-graphs.ts";
import { openEncoder } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { writeTensors } from "../../weights/safetensors/write.ts";
import { openAdapted } from "./adapters.ts";
import { exportSafetensors } from "./export-safetensors.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-export-encoders-"));
process.env["MODICUM_HOME"] = path.join(root, "home");
afterAll(() => rmSync(root, { recursive: true }));

const here = (folder: string) => fileURLToPath(new URL(folder, import.meta.url));
const [bases, adapters] = [here("../../models/fixtures"), here("../../weights/adapter/fixtures")];
const newFolder = () => path.join(mkdtempSync(path.join(root, "to-")), "model");
const json = (...file: string[]) => JSON.parse(readFileSync(path.join(...file), "utf8"));

/** An encoder's results for its base's texts: a classifier's scores, else hidden states. */
async function outputs(file: string, base: string, adapter?: string): Promise<Float32Array> {
  const { checkpoint, own } = await openAdapted(file, { adapter });
  const { encoder, weights } = await openEncoder(checkpoint, newFolder(), "f32", own);
  const trace = weights.has(`${encoder.config.classifier.output}.weight`) ? traceScores : traceHidden;
  return await run({ weights }, () => trace(encoder), json(bases, base, "encoder.json"));
}

const named = ["bert-head", "distilbert-head", "modernbert-head", "distilbert", "modernbert", "bert-plain"];
const baseOf = (name: string): string => json(adapters, name, "reference.json").base;

/** A base as transformers' base class saves it: without a head, and without the class's prefix in tensor names. */
async function headless(name: string): Promise<string> {
  const folder = newFolder();
  cpSync(path.join(bases, name), folder, { recursive: true });
  const { tensors, floats } = openCheckpoint(folder);
  const own = [...tensors.values()].filter((tensor) => tensor.name.startsWith(`${name}.`));
  const values = own.map((tensor) => ({ ...tensor, all: floats(tensor) }));
  const entries = values.map(({ all, shape }, i) => [
    own[i]!.name.slice(name.length + 1),
    { shape, values: () => all },
  ]) as [string, { shape: number[]; values: () => Float32Array }][];
  await writeTensors(path.join(folder, "model.safetensors"), new Map(entries));
  const config = path.join(folder, "config.json");
  const { id2label, label2id, ...rest } = json(config);
  writeFileSync(config, JSON.stringify({ ...rest, architectures: ["BertModel"] }));
  return folder;
}

test.each(named)("%s: the folder's outputs are those of the base with the adapter", async (name) => {
  const [base, adapter] = [baseOf(name), path.join(adapters, name)];
  const file = path.join(bases, base);
  const { folder } = await exportSafetensors(file, newFolder(), "F32", { adapter });
  const expected = await outputs(file, base, adapter);
  expect(difference(await outputs(folder, base), expected)).toBeLessThan(1e-5);
});

test("a base without a head and its class's name becomes a classifier under the class's names", async () => {
  const [file, adapter] = [await headless("bert"), path.join(adapters, "bert-head")];
  const { folder } = await exportSafetensors(file, newFolder(), "F32", { adapter });
  const names = [...openCheckpoint(folder).tensors.keys()];
  expect(names.filter((name) => !name.startsWith("bert."))).toEqual(["classifier.weight", "classifier.bias"]);
  const labels = [0, 1, 2, 3, 4].map((i) => [`LABEL_${i}`, i] as const);
  expect(json(folder, "config.json")).toMatchObject({
    architectures: ["BertForSequenceClassification"],
    label2id: Object.fromEntries(labels),
  });
  const expected = await outputs(path.join(bases, "bert"), "bert", adapter);
  expect(difference(await outputs(folder, "bert"), expected)).toBeLessThan(1e-5);
});

describe("sentence-transformers' files come along", () => {
  test.each(["sentences", "embeddinggemma"])("%s embeds as before", async (name) => {
    const { folder } = await exportSafetensors(here(`../fixtures/${name}`), newFolder(), "F32");
    const vectors = async (file: string) => {
      using model = await load(file, { quant: "f32" });
      return (await model.embed(["a soup", "it is in the restaurant"])).embeddings.flatMap((one) => [...one]);
    };
    expect(difference(await vectors(folder), await vectors(here(`../fixtures/${name}`)))).toBeLessThan(1e-6);
  });

  test.each(["colbert", "pylate"])("%s ranks as before", async (name) => {
    const { folder } = await exportSafetensors(here(`../fixtures/${name}`), newFolder(), "F32");
    const scores = async (file: string) => {
      using model = await load(file, { quant: "f32" });
      return (await model.relevance("soup?", ["It is a restaurant.", ", , soup"])).scores;
    };
    expect(await scores(folder)).toEqual(await scores(here(`../fixtures/${name}`)));
  });
});

/** A Python with the packages of tools/reference/train.txt. */
const python = here("../../../.ci/venv/bin/python");
const there = existsSync(python);
if (!there) console.warn("Exported folders in Python: not tested, since .ci/venv is missing");

/** GGUFs with the logits of transformers' own checkpoint in the same folder. */
const decoders = [
  ...["cohere2", "ernie4_5", "exaone4", "exaone4-whole", "gemma2", "gemma3", "glm4_moe", "glm4_moe-air", "gpt2"],
  ...["gpt_oss", "granite", "granitemoe", "llama-biased", "llama-heads", "llama-linear", "llama-llama3", "llama-yarn"],
  ...["mixtral", "olmo2", "olmoe", "phi3", "phi3-long", "qwen2", "qwen2_moe", "qwen3", "qwen3-heads", "qwen3_moe"],
  "smollm3",
];

async function encoderFolder([name, file]: readonly [name: string, file: string], i: number): Promise<string> {
  const folder = path.join(root, `python-${i}`);
  await exportSafetensors(file, path.join(folder, "model"), "F32", { adapter: path.join(adapters, name) });
  const { texts, types } = json(bases, baseOf(name), "encoder.json");
  const model = json(adapters, name, "reference.json").outputs;
  writeFileSync(path.join(folder, "logits.json"), JSON.stringify({ texts, types, model }));
  return folder;
}

async function decoderFolder(name: string): Promise<string> {
  const folder = path.join(root, name);
  await exportSafetensors(path.join(bases, name, "model.gguf"), path.join(folder, "model"), "F32");
  const { tokens, logits } = json(bases, name, "reference.json");
  writeFileSync(path.join(folder, "logits.json"), JSON.stringify({ ids: tokens, model: logits }));
  return folder;
}

/** One process for all: Python takes longer to load transformers than to run these models. */
test.skipIf(!there)(
  "transformers reads the folders, and computes what PEFT did, or its own checkpoint before it was a GGUF",
  async () => {
    const bert = await headless("bert");
    const encoders = [
      ...named.map((name) => [name, path.join(bases, baseOf(name))] as const),
      ["bert-head", bert] as const,
    ];
    const folders = await Promise.all(encoders.map(encoderFolder));
    for (const name of decoders) folders.push(await decoderFolder(name));
    const script = here("../../../tools/reference/check_trained.py");
    const { stdout } = await promisify(execFile)(python, [script, ...folders]);
    const found = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(found.map(({ name }) => name)).toEqual(folders.map((folder) => path.basename(folder)));
    // The export keeps the base's own head for masked words.
    const head = /unexpected_keys: (vocab_|decoder|classifier|pre_classifier)/;
    for (const { name, model, amiss } of found) {
      expect(model, name).toBeLessThan(1e-4);
      const others = decoders.includes(name) ? amiss : amiss.filter((one: string) => !head.test(one));
      expect(others, name).toEqual([]);
    }
  },
  300_000,
);
