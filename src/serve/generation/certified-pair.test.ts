/** Certificates for pairs of models, over HTTP and in the library. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, openPipeline } from "../../index.ts";
import { receiptSchema } from "../../ledger/receipt.ts";
import { type Certificate, keepCertificate, switchCertificate } from "../../savings/auto/certificate.ts";
import { certificateOf } from "../../savings/auto/fixture.testing.ts";
import { registerRecipe } from "../../savings/registered.ts";
import { modelHash, resolveModel } from "../../weights/sources/index.ts";
import { Catalogue } from "../models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "../serve.testing.ts";

const gguf = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}.gguf`, import.meta.url));
const [A, B] = [gguf("llama-tiny"), gguf("llama-tiny-untied")];
const SHARE = "route:share=0.4,score=energy,temperature=1,aggregate=first";
/** Thresholds below and above every prompt's score. */
const [EASY, HARD] = ["-100", "100"].map((t) => `route:t=${t},score=energy,temperature=1,aggregate=first`);
const PROMPT = "once upon a time there was a house";
const guarantee = { risk: 0.05, confidence: 0.95, loss: "agreement", certificate: "mine" };

const home = mkdtempSync(path.join(tmpdir(), "modicum-certified-pair-"));
const weights = { a: "", b: "" };
let server: Testing;
let usual: Testing;

const keep = (name: string, over: Partial<Certificate> = {}, route = EASY!) =>
  keepCertificate(
    name,
    certificateOf(SHARE, {
      ...{ model: weights.b, form: "auto" },
      pair: { name: "tiny>untied", swift: { model: weights.a, form: "auto", codes: 8 }, routes: { [SHARE]: route } },
      ...over,
    }),
  );

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", home);
  for (const [role, file] of Object.entries({ a: A, b: B }))
    weights[role as "a"] = await modelHash(await resolveModel(file));
  await keep("mine");
  await keep("hard", {}, HARD);
  const created = "2026-01-31T00:00:00.000Z";
  await registerRecipe("tiny>untied@mine", { model: `${A}>${B}`, recipe: ["auto:mine"], created });
  const models = [TINY[0]!, `untied=${B}`];
  server = await serveModels([...models, "tiny>untied@auto:mine"], { audit: 1 });
  const catalogue = await Catalogue.open([...models, "tiny>untied"], { usual: ["auto:mine"] });
  await catalogue.checkUsual();
  usual = await serveModels([], { catalogue });
});
afterAll(async () => {
  await Promise.all([server.stop(0), usual.stop(0)]);
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

const complete = (to: Testing, fields: object) =>
  post(to, "/v1/completions", { model: "tiny>untied", prompt: PROMPT, max_tokens: 4, temperature: 0, ...fields });
const answer = (to: Testing, fields: object = {}) => jsonOf(complete(to, fields));
const alone = async (model: string) => (await answer(server, { model })).choices[0].text;

describe("over HTTP", () => {
  test.each([
    { model: "tiny>untied@auto:mine" },
    { model: "tiny>untied@mine" },
    { model: "tiny>untied" },
    { savings: ["auto:mine"] },
  ])("%j runs under the certificate", async (fields) => {
    const { choices, route, receipt } = await answer(server, fields);
    expect(receiptSchema.parse(receipt)).toMatchObject({ recipe: [EASY], guarantee });
    expect(route).toMatchObject({ to: "swift", threshold: -100 });
    expect(choices[0].text).toBe(await alone("tiny"));
  });

  test("hard prompts go to Super, and the guarantee holds", async () => {
    const { choices, route, receipt } = await answer(server, { model: "tiny>untied@auto:hard" });
    expect([receipt.recipe, receipt.guarantee.certificate, route.to]).toEqual([[HARD], "hard", "super"]);
    expect(choices[0].text).toBe(await alone("untied"));
  });

  test("a prompt of another length goes to Super alone, and Swift is not called", async () => {
    const { route, receipt } = await answer(server, { prompt: "once" });
    expect(receipt).toMatchObject({ recipe: [], guarantee: null, unguaranteed: "length" });
    expect(route).toEqual({ to: "super", model: "untied", score: null, threshold: null });
    expect(receipt.work.calls).toEqual({ tiny: { dense: 0, run: 0 }, untied: { dense: 1, run: 1 } });
    expect(receipt.flops.spent).toBe(receipt.flops.dense);
  });

  test("a stream's last chunk has the guarantee; several prompts have their own", async () => {
    const text = await (await complete(server, { stream: true })).text();
    const last = text.trimEnd().split("\n\n").at(-2)!;
    expect(JSON.parse(last.slice(6)).receipt).toMatchObject({ recipe: [EASY], guarantee });
    const { choices } = await answer(server, { prompt: [PROMPT, "once"] });
    expect(choices.map(({ route }: { route: { to: string } }) => route.to)).toEqual(["swift", "super"]);
  });

  test("a request that samples differently is refused if it names the certificate, and dense by default", async () => {
    const refused = await complete(server, { model: "tiny>untied@auto:mine", temperature: 0.5 });
    expect(refused.status).toBe(400);
    expect((await jsonOf(refused)).error.message).toContain("auto:mine was certified with temperature off");
    expect((await answer(server, { temperature: 0.5 })).receipt).toMatchObject({
      guarantee: null,
      unguaranteed: "sampling",
    });
  });

  test("a request without a token limit gets the certificate's", async () => {
    await keep("short", { maxTokens: 2 });
    const { receipt } = await answer(server, { model: "tiny>untied@auto:short", max_tokens: undefined });
    expect(receipt).toMatchObject({ tokens: { completion: 2 }, guarantee: { certificate: "short" } });
    const longer = (await answer(server, { model: "tiny>untied@auto:short" })).receipt;
    expect(longer).toMatchObject({ guarantee: null, unguaranteed: "max_tokens" });
  });

  test("a budget chooses among the rungs", async () => {
    const rich = (await answer(server, { budget: { flops: 1e12 } })).receipt;
    expect(rich).toMatchObject({ recipe: [], budget: { met: true }, guarantee });
    const poor = (await answer(server, { budget: { flops: 1 } })).receipt;
    expect(poor).toMatchObject({ recipe: [EASY], budget: { met: false }, guarantee });
  });

  test("as the server's savings, it applies to the pair, and one model's requests are dense", async () => {
    expect((await answer(usual)).receipt).toMatchObject({ recipe: [EASY], guarantee });
    const single = (await answer(usual, { model: "tiny" })).receipt;
    expect(single.recipe).toEqual([]);
    expect(single).not.toHaveProperty("guarantee");
    const none = await Catalogue.open([TINY[0]!], { usual: ["auto:mine"] });
    await expect(none.checkUsual()).rejects.toThrow("--save auto:mine is for a pair of models; no --model names one");
  });

  test("while it is switched off, everything is Super's", async () => {
    await keep("off");
    await switchCertificate("off", false);
    const { receipt } = await answer(server, { model: "tiny>untied@auto:off" });
    expect(receipt).toMatchObject({ recipe: [], guarantee: null, unguaranteed: "off" });
  });

  test("it is not audited, which the log says once", async () => {
    await answer(server);
    await answer(server);
    const warnings = server.logged.filter((line) => line.includes("not audited") && line.includes('"mine"'));
    expect(warnings).toHaveLength(1);
  });

  test("another pair, other weights, one model and other savings are refused by name", async () => {
    const refusal = async (fields: object) => (await jsonOf(complete(server, fields))).error.message;
    expect(await refusal({ model: "untied>tiny@auto:mine" })).toMatch(
      /auto:mine was certified for the model of tiny>untied's Swift \w{12}…, but this is \w{12}…; tune again/,
    );
    await keep("rounded", { form: "q4" });
    expect(await refusal({ model: "tiny>untied@auto:rounded" })).toContain(
      "certified for weights of tiny>untied's Super of the form q4",
    );
    expect(await refusal({ model: "untied", savings: ["auto:mine"] })).toContain(
      "auto:mine was certified for the pair tiny>untied, but this is one model",
    );
    await keep("single", { pair: undefined });
    expect(await refusal({ model: "tiny>untied@auto:single" })).toContain(
      "auto:single was certified for one model, but tiny>untied is a pair",
    );
    expect(await refusal({ savings: ["exit:layer=1"] })).toContain("savings apply to one model");
    expect(await refusal({ model: "tiny>untied@auto:none" })).toContain("there is no certificate with that name");
  });
});

describe("in the library", () => {
  test("a pair runs under the certificate in its name or its registered name", async () => {
    using swift = await load(A);
    const { text } = await swift.complete(PROMPT, { maxTokens: 4 });
    for (const name of [`${A}>${B}@auto:mine`, "tiny>untied@mine"]) {
      using pair = await openPipeline(name);
      const answer = await pair.route(PROMPT, { maxTokens: 4 });
      expect(answer.receipt).toMatchObject({ recipe: [EASY], guarantee });
      expect([answer.text, answer.route.to]).toEqual([text, "swift"]);
    }
  });

  test("a budget chooses, and is refused without a certificate", async () => {
    using pair = await openPipeline(`${A}>${B}@auto:mine`);
    const { receipt, route } = await pair.route(PROMPT, { maxTokens: 4, budget: { flops: 1e12 } });
    expect([receipt.recipe, receipt.budget?.met, route.to]).toEqual([[], true, "super"]);
    using other = await openPipeline(`${A}>${B}@t=0`);
    await expect(other.route(PROMPT, { budget: { ms: 5 } })).rejects.toThrow("a budget needs a certificate");
  });

  test("options beside a certificate are refused", async () => {
    await expect(openPipeline(`${A}>${B}@auto:mine`, { route: { share: 0.3 } })).rejects.toThrow(
      "a certificate sets all options; expected no other option with auto",
    );
  });
});
