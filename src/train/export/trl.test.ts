import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../library/load.ts";
import { openBase } from "../../library/train.ts";
import { type TrainOptions, trainOptions } from "../options.ts";
import { readMetrics } from "../session/metrics.ts";
import { runSession } from "../session/session.ts";
import { exportTrl } from "./trl.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-export-trl-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => path.join(folder, name);

const samples = at("samples.jsonl");
const count = (i: number) => ({ prompt: `${i}: `, completion: Array.from({ length: 1 + (i % 6) }, () => i).join(" ") });
writeFileSync(samples, Array.from({ length: 40 }, (_, i) => `${JSON.stringify(count(i))}\n`).join(""));

const llama = {
  ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
  ...{ intermediate_size: 48, max_position_embeddings: 48, rms_norm_eps: 1e-5 },
};
const gpt2 = { model_type: "gpt2", n_embd: 32, n_layer: 2, n_head: 2, n_positions: 32, layer_norm_epsilon: 1e-5 };

const common = { data: samples, tokens: 32, batch: 2, accumulate: 2, steps: 3, validation: 0, optimizer: { lr: 1e-2 } };
const optionsOf = (options: object): TrainOptions => trainOptions.parse({ ...common, ...options });
const open = (model: string) => openBase(model, {});

const packed = optionsOf({
  architecture: llama,
  tokenizer: "bytes",
  packing: true,
  tokens: 48,
  schedule: { warmup: 1 },
  clip: 0.5,
});
const base = at("base");
beforeAll(async () => {
  const options = optionsOf({ architecture: gpt2, tokenizer: "bytes", steps: 1 });
  await runSession({ options, out: base, reuse: "refuse" }, open, {});
});
/** Runs that use different features of the export. */
const runs: readonly [name: string, options: () => TrainOptions][] = [
  ["packed", () => packed],
  [
    "adapter",
    () =>
      optionsOf({
        model: base,
        lora: { rank: 4, targets: "attn_qkv,ffn_down", use_dora: true, loraplus_lr_ratio: 3 },
        quant: "f32",
        optimizer: { name: "sgd", lr: 0.1 },
      }),
  ],
];

interface Line {
  readonly input_ids: readonly number[];
  readonly labels: readonly number[];
  readonly documents: readonly number[];
}

test("rows are in order, each with its labels and samples; missing rows of a batch are empty", async () => {
  const out = at("rows");
  const { rows, files } = await exportTrl({ ...packed, steps: 9 }, out, open);
  expect(files).toEqual(["export.json", "model", "rows.jsonl", "train.py"]);
  const lines: Line[] = readFileSync(path.join(out, "rows.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect([rows, lines.length]).toEqual([36, 36]);
  for (const { input_ids, labels, documents } of lines) {
    expect([labels.length, documents.length]).toEqual([input_ids.length, input_ids.length]);
    for (const [i, label] of labels.entries())
      if (label >= 0 && documents[i] === documents[i + 1]) expect(label).toBe(input_ids[i + 1]);
  }
  expect(lines.some(({ labels }) => labels.length === 0)).toBe(true);
  expect(lines.some(({ documents }) => documents.at(-1)! > 0)).toBe(true);
});

test("the settings have each step's rates, the base and the trained names", async () => {
  const read = async (name: string, options: TrainOptions) => {
    await exportTrl(options, at(name), open);
    return JSON.parse(readFileSync(path.join(at(name), "export.json"), "utf8"));
  };
  const settings = await read("settings", optionsOf({ model: base, train: ["blk.1.*"] }));
  expect(settings.model).toBe(base);
  expect(settings.rates).toHaveLength(3);
  expect(settings.trained).toContain("transformer.h.1.attn.c_attn.weight");
  expect(settings.trained.some((name: string) => name.includes("h.0."))).toBe(false);
});

test("a non-empty folder stays as it is; unreadable data leave none", async () => {
  await expect(exportTrl(packed, base, open)).rejects.toThrow(/base: the folder is not empty/);
  const file = path.join(base, "config.json");
  await expect(exportTrl(packed, file, open)).rejects.toThrow(`${file}: `);
  await expect(exportTrl({ ...packed, data: [at("none.jsonl")] }, at("gone"), open)).rejects.toThrow(/none\.jsonl/);
  expect(existsSync(at("gone"))).toBe(false);
});

test("settings that train.py cannot follow are refused", async () => {
  await expect(exportTrl({ ...packed, start: base }, at("gone"), open)).rejects.toThrow(
    /^start: an export cannot start from another run's weights/,
  );
  await expect(exportTrl({ ...packed, method: "some" }, at("gone"), open)).rejects.toThrow(
    /^method: some cannot be exported/,
  );
});

/** An environment with the packages of tools/reference/train.txt. */
const python = ["venv", "venv-train"]
  .map((name) => fileURLToPath(new URL(`../../../.ci/${name}`, import.meta.url)))
  .find((venv) => hasPeft(path.join(venv, "lib")));
if (python === undefined)
  console.warn("Exported runs in Python: not tested, since no environment of .ci has PEFT (tools/reference/train.txt)");

function hasPeft(libraries: string): boolean {
  const versions = existsSync(libraries) ? readdirSync(libraries) : [];
  return versions.some((version) => existsSync(path.join(libraries, version, "site-packages", "peft")));
}

/** Runs all scripts in one process, because loading Python's packages takes longer than training. */
const inTurn = `import runpy, sys
words = sys.argv[1:]
for script, out in zip(words[::2], words[1::2]):
    sys.argv = [script, "--out", out]
    runpy.run_path(script, run_name="__main__")
`;

describe.skipIf(python === undefined)("three steps of train.py have the run's losses", () => {
  beforeAll(async () => {
    const words: string[] = [];
    for (const [name, options] of runs) {
      const [exported, out] = [at(`${name}-exported`), at(`${name}-trained`)];
      await exportTrl(options(), exported, open);
      await runSession({ options: options(), out, reuse: "refuse" }, open, {});
      words.push(path.join(exported, "train.py"), at(`${name}-python`));
    }
    const env = { ...process.env, CUDA_VISIBLE_DEVICES: "", HF_HUB_OFFLINE: "1" };
    await promisify(execFile)(path.join(python!, "bin", "python"), ["-c", inTurn, ...words], { env });
  });

  test.each(runs)("%s", (name) => {
    const losses: number[] = JSON.parse(readFileSync(path.join(at(`${name}-python`), "losses.json"), "utf8"));
    const ours = readMetrics(at(`${name}-trained`)).map(({ loss }) => loss);
    expect(losses).toHaveLength(3);
    for (const [i, loss] of losses.entries()) expect(Math.abs(loss - ours[i]!)).toBeLessThan(1e-4);
  });

  test("a new model comes back with its tokenizer", async () => {
    const all = await Promise.all(
      [at("packed-python"), at("packed-trained")].map(async (folder) => {
        using model = await load(folder, { quant: "f32" });
        return (await model.complete("7: ", { raw: true, maxTokens: 8, temperature: 0 })).tokens;
      }),
    );
    expect(all[0]).toEqual(all[1]);
  });
});
