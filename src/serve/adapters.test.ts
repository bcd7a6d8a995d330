/** Adapters served beside their base model, each requested by name like a model. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model } from "../index.ts";
import { keepCertificate } from "../savings/auto/certificate.ts";
import { certificateOf } from "../savings/auto/fixture.testing.ts";
import { writeRecord } from "../weights/adapter/record.ts";
import { templateHash } from "../weights/tokenizer/index.ts";
import { Catalogue } from "./models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing, TINY, tinyWithTemplate } from "./serve.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-serve-adapters-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);
const fixtures = path.join(import.meta.dirname, "../weights/adapter/fixtures");

const TEMPLATE = "{% for m in messages %}the {{ m.content }} on {% endfor %}";
const template = templateHash({ chatTemplate: TEMPLATE })!;
const base = at("base.gguf");
writeFileSync(base, tinyWithTemplate(TEMPLATE));
cpSync(path.join(fixtures, "llama-gguf"), at("sku"), { recursive: true });
cpSync(path.join(fixtures, "llama-gguf-head"), at("poet"), { recursive: true });
await writeRecord(at("sku"), { prompt: "raw", template });
await writeRecord(at("poet"), { prompt: "chat", template: "0".repeat(64) });
const specs = [`sku=${at("sku")}`, `poet=${at("poet")}`];

const text = "a cat and a hat on a mat";
const turn = { role: "user", content: text };
const options = { max_tokens: 8, temperature: 0 };

describe("a server of a base with two adapters", () => {
  let server: Testing;
  let model: Model;
  beforeAll(async () => {
    const models = [`base=${base}`, ...TINY.slice(1)];
    server = await serveModels(models, { catalogue: await Catalogue.open(models, { adapters: specs }) });
    model = await load(base, { adapters: { sku: at("sku"), poet: at("poet") } });
  });
  afterAll(async () => {
    model.dispose();
    await server.stop(0);
  });

  const completionOf = (name: string, more: object = {}) =>
    jsonOf(post(server, "/v1/chat/completions", { model: name, messages: [turn], ...options, ...more }));
  const chat = async (name: string, more?: object): Promise<string> =>
    (await completionOf(name, more)).choices[0].message.content;
  const ofLibrary = async (adapter?: string, raw?: boolean) => {
    const called = { maxTokens: 8, temperature: 0, adapter, ...(raw !== undefined && { raw }) };
    return (await model.complete([turn], called)).text;
  };

  test("each answers as the library does, in turn and in parallel, from its own cache", async () => {
    const names = ["base", "sku", "poet"];
    const expected = [await ofLibrary(), await ofLibrary("sku"), await ofLibrary("poet")];
    expect(new Set(expected).size).toBe(3);
    for (const [i, name] of names.entries()) {
      expect(await chat(name)).toBe(expected[i]);
      const again = await completionOf(name);
      expect(again.choices[0].message.content).toBe(expected[i]);
      expect(again.receipt.tokens.cached).toBe(again.receipt.tokens.prompt - 1);
    }
    const many = [...names, ...names.toReversed(), "sku"];
    expect(await Promise.all(many.map((name) => chat(name)))).toEqual(
      many.map((name) => expected[names.indexOf(name)]),
    );
  });

  test("a raw adapter reads one turn as plain text, and refuses several", async () => {
    const { choices } = await jsonOf(post(server, "/v1/completions", { model: "sku", prompt: text, ...options }));
    expect(choices[0].text).toBe(await chat("sku"));
    expect(choices[0].text).not.toBe(await ofLibrary("sku", false));
    const messages = [turn, { role: "assistant", content: "b" }, turn];
    const response = await post(server, "/v1/chat/completions", { model: "sku", messages });
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([
      400,
      'the adapter "sku" was trained on plain text: expected one user turn of text, got 3 turns',
    ]);
    expect(await chat("poet", { messages })).not.toBe("");
  });

  test("a request's savings act with it, and receipts and metrics have its name", async () => {
    const { receipt, model: named } = await completionOf("sku", { savings: ["xattention:threshold=0.9,stride=8"] });
    expect([named, receipt.model]).toEqual(["sku", "sku"]);
    expect(receipt.recipe).toEqual([expect.stringContaining("xattention")]);
    const ledgered = async () => (await jsonOf(fetch(`${server.url}/v1/receipts?model=sku`))).data.length;
    await expect.poll(ledgered).toBeGreaterThan(0);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/vllm:request_success_total\{model_name="sku",finished_reason="length"\} \d/);
    expect(metrics).toMatch(/vllm:num_requests_running\{model_name="base"\} 0/);
    expect(metrics).not.toMatch(/vllm:num_requests_running\{model_name="sku"/);
  });

  test("metrics list the adapters of running requests", async () => {
    const info = async () =>
      /^vllm:lora_requests_info\{(.*)\} (\d+)/m.exec(await (await fetch(`${server.url}/metrics`)).text())!;
    const idle = await info();
    expect(idle[1]).toBe('max_lora="2",running_lora_adapters="",waiting_lora_adapters=""');
    expect(Math.abs(Number(idle[2]) - Date.now() / 1000)).toBeLessThan(3600);
    const during = async () => {
      let answered = false;
      const answer = chat("sku", { max_tokens: 100 }).finally(() => {
        answered = true;
      });
      const labels: string[] = [];
      while (!answered) labels.push((await info())[1]!);
      await answer;
      return labels;
    };
    await expect.poll(during).toContain('max_lora="2",running_lora_adapters="sku",waiting_lora_adapters=""');
    expect((await info())[1]).toBe(idle[1]);
  });

  test("GET /v1/models lists them with their parent, and one copy of the base", async () => {
    const { data } = await jsonOf(fetch(`${server.url}/v1/models`));
    const of = (id: string) => data.find((listed: { id: string }) => listed.id === id);
    expect(of("sku")).toMatchObject({ parent: "base", recipe: [], loaded: [{ quant: "auto", users: 0 }] });
    expect(of("poet").parent).toBe("base");
    expect(of("base").parent).toBeUndefined();
    expect(of("base").loaded).toHaveLength(1);
    expect(await jsonOf(fetch(`${server.url}/v1/models/sku`))).toEqual(of("sku"));
  });

  test.each([
    ["/v1/classify", { input: text, labels: ["a", "b"] }],
    ["/v1/rerank", { query: "a", documents: ["b", "c"] }],
    ["/v1/embeddings", { input: text }],
    ["/v1/answer", { question: text, retrieval: "never" }],
  ])("%s needs a model, and says so", async (route, body) => {
    const response = await post(server, route, { model: "sku", ...body });
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error).toMatchObject({
      param: "model",
      message:
        "sku is an adapter, which only /v1/chat/completions, /v1/completions and /v1/responses take; expected a model, such as base",
    });
  });

  test("a similar name suggests it, and an adapter has no recipes", async () => {
    const wrong = await post(server, "/v1/chat/completions", { model: "skus", messages: [turn] });
    expect([wrong.status, (await jsonOf(wrong)).error.message]).toEqual([
      404,
      'no model is called "skus" here; did you mean "sku"?',
    ]);
    const recipe = await post(server, "/v1/chat/completions", { model: "sku@fast", messages: [turn] });
    expect(recipe.status).toBe(404);
  });

  test("another chat template is one notice in the log", () => {
    const notices = server.logged.filter((line) => line.includes("trained with a different chat template"));
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain('\\"poet\\"');
  });
});

describe("the base of an adapter", () => {
  const other = `other=${base}`;
  const open = (models: readonly string[], adapters: readonly string[]) => Catalogue.open(models, { adapters });
  const settings = (name: string, wanted: unknown) => {
    cpSync(at("sku"), at(name), { recursive: true });
    const file = path.join(at(name), "adapter_config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...config, base_model_name_or_path: wanted }));
    return `${name}=${at(name)}`;
  };
  const names = (catalogue: Catalogue) =>
    catalogue.list().map(({ id, adapters }) => [id, ...adapters.map(({ name }) => name)]);

  test("is the only model that continues texts, or else the one in its settings", async () => {
    expect(names(await open([TINY[1]!, `base=${base}`], specs))).toEqual([["sentences"], ["base", "sku", "poet"]]);
    const two = [`base=${base}`, TINY[0]!];
    const catalogue = await open(two, [settings("named", "tiny"), settings("placed", base)]);
    expect(names(catalogue)).toEqual([
      ["base", "placed"],
      ["tiny", "named"],
    ]);
  });

  test("is named for its requests, with a key's savings, but not with the base's recipes", async () => {
    const catalogue = await open([`base=${base}`], specs);
    const saving = "xattention:threshold=0.9";
    const usual = ["base@fast", saving];
    const choice = await catalogue.chooseWriter({ model: "sku" }, usual);
    expect([choice.adapter, choice.served.id, ...choice.recipe.map(({ text }) => text)]).toEqual([
      "sku",
      "base",
      expect.stringContaining(saving),
    ]);
    expect((await catalogue.chooseWriter({ model: "sku", savings: [] }, usual)).recipe).toEqual([]);
    expect((await catalogue.chooseWriter({ model: "base" })).adapter).toBeUndefined();
  });

  test("is dense under a default certificate of its base", async () => {
    vi.stubEnv("MODICUM_HOME", folder);
    await keepCertificate("mine", certificateOf("lookup:match=2,tokens=4", {}));
    const { recipe } = await (await open([`base=${base}`], specs)).chooseWriter({ model: "sku" }, ["auto:mine"]);
    expect(recipe.map(({ text }) => text)).toEqual(["auto:mine,else=dense"]);
    vi.unstubAllEnvs();
  });

  test.each<[string, () => string, readonly string[], RegExp]>([
    [
      "a base of several that is not named",
      () => settings("lost", "else"),
      [other, TINY[0]!],
      /--adapter lost: its base_model_name_or_path is "else", expected the name of one of other, tiny/,
    ],
    [
      "a base twice",
      () => settings("twice", base),
      [other, `base=${base}`],
      /--adapter twice: .* expected the name of one of other, base/,
    ],
    [
      "no base",
      () => specs[0]!,
      [TINY[1]!],
      /--adapter sku: none of the served models is its base, which must generate text/,
    ],
    ["a name that is taken", () => `other=${at("sku")}`, [other], /two models are named "other"/],
    ["no name", () => at("sku"), [other], /--adapter: expected NAME=FOLDER, got /],
    ["no adapter", () => `empty=${folder}`, [other], /there is no adapter_config.json/],
  ])("%s is refused at the start, in one sentence", async (_, adapter, models, sentence) => {
    await expect(open(models, [adapter()])).rejects.toThrow(sentence);
  });

  test("an adapter with its own tokens is refused at the start", async () => {
    const spec = settings("tokens", "x");
    const file = path.join(at("tokens"), "adapter_config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...config, trainable_token_indices: [1] }));
    const { writeTensors } = await import("../weights/safetensors/write.ts");
    const tensors = new Map([
      [
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        { shape: [1, 64], values: () => new Float32Array(64) },
      ],
      [
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight",
        { shape: [64, 1], values: () => new Float32Array(64) },
      ],
      [
        "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta",
        { shape: [1, 64], values: () => new Float32Array(64) },
      ],
    ]);
    await writeTensors(path.join(at("tokens"), "adapter_model.safetensors"), tensors);
    await expect(open([other], [spec])).rejects.toThrow('the adapter "tokens" has its own tokens');
  });
});
