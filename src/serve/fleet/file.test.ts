import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Catalogue } from "../models/catalogue.ts";
import { TINY } from "../serve.testing.ts";
import { readFleet, remoteFromText } from "./file.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-fleet-"));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const LLAMA = {
  ...{ model_type: "llama", hidden_size: 32, num_attention_heads: 2, num_key_value_heads: 1, num_hidden_layers: 2 },
  ...{ intermediate_size: 64, vocab_size: 100, max_position_embeddings: 128, rms_norm_eps: 1e-5 },
  quantization_config: { quant_method: "awq" },
};

test("a fleet in YAML: names, addresses, the key from the environment, the shape from a file beside it", async () => {
  written("config.json", JSON.stringify(LLAMA));
  const file = written(
    "fleet.yaml",
    `models:
  - name: big
    model: org/Big
    shape: config.json
    key: BIG_KEY
    servers: [http://10.0.0.5:8000/v1, { name: spare, url: https://example.org }]
    health: { interval: 2 }
    pass: [chat_template_kwargs]`,
  );
  const [model] = await readFleet(file, { BIG_KEY: "abc" });
  expect(model).toMatchObject({
    ...{ name: "big", model: "org/Big", kind: "openai", key: "abc", pass: ["chat_template_kwargs"] },
    servers: [
      { name: "10.0.0.5:8000", url: "http://10.0.0.5:8000/v1" },
      { name: "spare", url: "https://example.org" },
    ],
    health: { interval: 2, timeout: 5, failures: 3 },
  });
  expect(model!.shape!.generated({ prompt: 5, cached: 0, completion: 1, answers: 1 }).flops).toBeGreaterThan(0);
});

test("a flag names Modicum servers", () => {
  expect(remoteFromText("a=http://b:1,http://c/v1")).toMatchObject({
    ...{ name: "a", model: "a", kind: "modicum" },
    servers: [{ name: "b:1" }, { name: "c" }],
  });
});

describe("reported in one sentence", () => {
  test.each<[string, RegExp]>([
    ["small", /^--remote: expected NAME=URL or NAME=URL,URL, got "small"$/],
    ["small=ftp://a", /expected an address such as http:\/\/10\.0\.0\.5:8000/],
    ["small=http://a:b@c", /expected an address/],
    ["a@b=http://c", /expected a name without @ or spaces/],
  ])("--remote %s", (text, sentence) => expect(() => remoteFromText(text)).toThrow(sentence));

  const base = { name: "a", servers: ["http://a"] };
  test.each<[string, object, RegExp]>([
    ["no shape", base, /"a" needs the model's shape to estimate receipts/],
    ["no key", { ...base, kind: "modicum", key: "NO_SUCH" }, /"a": the environment has no NO_SUCH$/],
    ["a key itself", { ...base, key: "sk-12" }, /expected the name of an environment variable, got "sk-12"$/],
    ["an unknown architecture", { ...base, shape: { model_type: "lama" } }, /did you mean "llama"\?/],
    [
      "a shape without sizes",
      { ...base, shape: { model_type: "llama" } },
      /the shape of "a": "hidden_size" is missing/,
    ],
    ["a shape that is not there", { ...base, shape: "none.json" }, /none\.json: there is no such file/],
    ["a slip", { ...base, servers: [], server: ["http://a"] }, /"models\.0/],
    [
      "a field that lifts a ceiling",
      { ...base, pass: ["n_predict"] },
      /expected no field that sets an answer's length/,
    ],
    ["no server", { ...base, servers: [] }, /"models\.0\.servers": /],
  ])("%s", async (_, model, sentence) => {
    const file = written("fleet.json", JSON.stringify({ models: [model] }));
    await expect(readFleet(file, {})).rejects.toThrow(sentence);
    await expect(readFleet(file, {})).rejects.toThrow(file);
  });

  test("a name that a model of this server also has", async () => {
    await expect(Catalogue.open(TINY.slice(0, 1), { elsewhere: ["tiny"] })).rejects.toThrow(
      'two models are named "tiny"',
    );
  });
});
