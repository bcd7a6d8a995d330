/** Certificates over HTTP, named in a request or set as a server's default. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { certificateFile, keepCertificate, switchCertificate } from "../savings/auto/certificate.ts";
import { certificateOf } from "../savings/auto/fixture.testing.ts";
import { registerRecipe } from "../savings/registered.ts";
import { modelHash, resolveModel } from "../weights/sources/index.ts";
import { Catalogue } from "./models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing, TINY, tinyWithTemplate } from "./serve.testing.ts";

const EXIT = "exit:layer=1,fill=copy-kv";
const home = mkdtempSync(path.join(tmpdir(), "modicum-auto-serve-"));
const [named, usual] = [{} as Testing, {} as Testing];

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", home);
  const model = await modelHash(await resolveModel(TINY[0]!.slice("tiny=".length)));
  await keepCertificate("mine", certificateOf(EXIT, { model }));
  await registerRecipe("tiny@mine", { model: "tiny", recipe: ["auto:mine"], created: "2026-01-31T00:00:00.000Z" });
  Object.assign(named, await serveModels([TINY[0]!]));
  const catalogue = await Catalogue.open([TINY[0]!], { usual: ["auto:mine"] });
  await catalogue.checkUsual();
  Object.assign(usual, await serveModels([], { catalogue }));
});
afterAll(async () => {
  await Promise.all([named.stop(0), usual.stop(0)]);
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

const PROMPT = "once upon a time there was a house";
const complete = (to: Testing, fields: object) =>
  post(to, "/v1/completions", { model: "tiny", prompt: PROMPT, max_tokens: 4, temperature: 0, ...fields });
const receipt = async (to: Testing, fields: object) => (await jsonOf(complete(to, fields))).receipt;
const message = (line: string): string => JSON.parse(line).msg;
const guarantee = { risk: 0.05, confidence: 0.95, loss: "agreement", certificate: "mine" };

test.each([{ savings: ["auto:mine"] }, { model: "tiny@mine" }])("%j runs under the certificate", async (fields) => {
  expect(await receipt(named, fields)).toMatchObject({ recipe: [EXIT], guarantee });
});

test("the server's default applies to requests that name nothing", async () => {
  expect(await receipt(usual, {})).toMatchObject({ recipe: [EXIT], guarantee });
  const dense = await receipt(usual, { savings: [] });
  expect(dense).toMatchObject({ recipe: [] });
  expect(dense).not.toHaveProperty("guarantee");
});

test("a request that samples differently is dense by default, and refused if it names the certificate", async () => {
  expect(await receipt(usual, { temperature: 0.5 })).toMatchObject({ guarantee: null, unguaranteed: "sampling" });
  const refused = await complete(named, { savings: ["auto:mine"], temperature: 0.5 });
  expect(refused.status).toBe(400);
  expect((await jsonOf(refused)).error.message).toContain("auto:mine was certified with temperature off");
});

test("a request without a token limit gets the certificate's, for which its guarantee holds", async () => {
  const model = await modelHash(await resolveModel(TINY[0]!.slice("tiny=".length)));
  await keepCertificate("short", certificateOf(EXIT, { model, maxTokens: 6 }));
  const ask = async (fields: object, path = "/v1/completions") => {
    const named = { model: "tiny", savings: ["auto:short"], temperature: 0, repetition_detection: false };
    const { receipt } = await jsonOf(post(usual, path, { ...named, prompt: PROMPT, ...fields }));
    return [receipt.tokens.completion, receipt.guarantee?.certificate, receipt.unguaranteed];
  };
  expect(await ask({})).toEqual([6, "short", undefined]);
  expect(await ask({ max_tokens: null })).toEqual([6, "short", undefined]);
  expect(await ask({ max_tokens: 5 })).toEqual([5, "short", undefined]);
  expect(await ask({ max_tokens: 7 })).toEqual([7, undefined, "max_tokens"]);
  // 16 is a completion's default.
  expect(await ask({ prompt: "once" })).toEqual([16, undefined, "length"]);
});

test("the same holds for a chat, or a response, under a server's default", async () => {
  const file = path.join(home, "chats.gguf");
  writeFileSync(file, tinyWithTemplate("{% for m in messages %}{{ m.content }}{% endfor %}"));
  const model = await modelHash(await resolveModel(file));
  await keepCertificate("chats", certificateOf(EXIT, { model, prompt: "chat", maxTokens: 6 }));
  const catalogue = await Catalogue.open([`chats=${file}`], { usual: ["auto:chats"] });
  const chats = await serveModels([], { catalogue });
  const ask = async (name: string, fields: object) =>
    (await jsonOf(post(chats, `/v1/${name}`, { temperature: 0, ...fields }))).receipt ?? {};
  const messages = [{ role: "user", content: PROMPT }];
  const under = { tokens: { completion: 6 }, guarantee: { certificate: "chats" } };
  expect(await ask("chat/completions", { messages })).toMatchObject(under);
  expect(await ask("responses", { input: PROMPT })).toMatchObject(under);
  const longer = await ask("chat/completions", { messages, max_completion_tokens: 7 });
  expect(longer).toMatchObject({ guarantee: null, unguaranteed: "max_tokens" });
  await chats.stop(0);
});

test("a budget chooses within the certificate, and needs one", async () => {
  expect(await receipt(usual, { budget: { flops: 1e12 } })).toMatchObject({
    recipe: [],
    budget: { met: true },
    guarantee,
  });
  expect(await receipt(usual, { budget: { flops: 1 } })).toMatchObject({ recipe: [EXIT], budget: { met: false } });
  const refused = await complete(named, { budget: { ms: 5 } });
  expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
    400,
    "a budget needs a certificate; name a recipe such as auto:NAME",
  ]);
  expect((await complete(usual, { budget: { ms: 0 } })).status).toBe(400);
});

test("a certificate that is switched off makes requests dense, at once, until it is on again", async () => {
  await switchCertificate("mine", false);
  expect(await receipt(usual, {})).toMatchObject({ recipe: [], guarantee: null, unguaranteed: "off" });
  await switchCertificate("mine", true);
  expect(await receipt(usual, {})).toMatchObject({ recipe: [EXIT], guarantee });
});

test("a running server logs that a certificate was switched off or on, when it first sees it", async () => {
  const lines = () => named.logged.filter((line) => line.includes("auto:mine is "));
  const before = lines().length;
  const ask = () => receipt(named, { savings: ["auto:mine"] });
  await ask();
  expect(lines()).toHaveLength(before);
  await switchCertificate("mine", false);
  await Promise.all([ask(), ask()]);
  expect(lines().slice(before).map(message)).toEqual(["auto:mine is off: its requests run dense"]);
  await switchCertificate("mine", true);
  await ask();
  await ask();
  expect(
    lines()
      .slice(before + 1)
      .map(message),
  ).toEqual(["auto:mine is on again"]);
});

test("a running server uses a new certificate of the same name from the next request on, and refuses a changed one", async () => {
  const model = await modelHash(await resolveModel(TINY[0]!.slice("tiny=".length)));
  const other = "exit:layer=1,fill=copy-hidden";
  await keepCertificate("renewed", certificateOf(EXIT, { model }));
  const ask = () => complete(named, { savings: ["auto:renewed"] });
  expect(await jsonOf(ask())).toMatchObject({ receipt: { recipe: [EXIT], guarantee: { risk: 0.05 } } });
  await switchCertificate("renewed", false);
  await keepCertificate("renewed", certificateOf(other, { model, risk: 0.1 }));
  expect(await jsonOf(ask())).toMatchObject({ receipt: { recipe: [other], guarantee: { risk: 0.1 } } });

  const text = readFileSync(certificateFile("renewed"), "utf8");
  writeFileSync(certificateFile("renewed"), text.replace('"risk": 0.1', '"risk": 0.01'));
  const refused = await ask();
  expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
    400,
    "auto:renewed: the certificate was changed after it was issued: its hash differs; tune again",
  ]);
  writeFileSync(certificateFile("renewed"), text);
  expect((await ask()).status).toBe(200);
  rmSync(certificateFile("renewed"));
  expect((await jsonOf(ask())).error.message).toContain("auto:renewed: there is no certificate with that name");
});

test("a default that does not fit the models is refused before the server listens", async () => {
  await keepCertificate("other", certificateOf(EXIT, { model: "f".repeat(64) }));
  const catalogue = await Catalogue.open([TINY[0]!], { usual: ["auto:other"] });
  await expect(catalogue.checkUsual()).rejects.toThrow("auto:other was certified for the model");
});

describe("a certificate for one of two models", () => {
  const other = fileURLToPath(new URL("../models/fixtures/llama-tiny-untied.gguf", import.meta.url));
  const open = (usual: readonly string[]) => Catalogue.open([TINY[0]!, `untied=${other}`], { usual });
  let both: Testing;
  beforeAll(async () => {
    await keepCertificate("theirs", certificateOf(EXIT, { model: await modelHash(await resolveModel(other)) }));
    const catalogue = await open(["auto:mine"]);
    expect(await catalogue.checkUsual()).toEqual(["auto:mine was tuned on tiny, so other models answer without it"]);
    both = await serveModels([], { catalogue });
  });
  afterAll(() => both.stop(0));

  test("as a default applies to that model, and the other's requests are dense", async () => {
    expect(await receipt(both, {})).toMatchObject({ recipe: [EXIT], guarantee });
    const dense = await receipt(both, { model: "untied" });
    expect(dense).toMatchObject({ recipe: [] });
    expect(dense).not.toHaveProperty("guarantee");
  });

  test("is refused by name if a request uses it with the other model", async () => {
    const refused = await complete(both, { model: "untied", savings: ["auto:mine"] });
    expect(refused.status).toBe(400);
    expect((await jsonOf(refused)).error.message).toContain("auto:mine was certified for the model");
  });

  test("leaves the other one its own, and refuses another recipe beside it", async () => {
    const catalogue = await open(["auto:mine", "auto:theirs"]);
    expect(await catalogue.checkUsual()).toEqual([
      "auto:mine was tuned on tiny, so other models answer without it",
      "auto:theirs was tuned on untied, so other models answer without it",
    ]);
    const usual = ["auto:mine", "auto:theirs"];
    const textOf = async (model: string) => (await catalogue.choose({ model }, usual)).recipe.map(({ text }) => text);
    expect([await textOf("tiny"), await textOf("untied")]).toEqual([
      ["auto:mine,else=dense"],
      ["auto:theirs,else=dense"],
    ]);
    await expect((await open(["auto:mine", "lookup"])).checkUsual()).rejects.toThrow("is a whole recipe");
  });

  test("for neither is refused before the server listens, and a key's on the other model by its name", async () => {
    await expect((await open(["auto:other"])).checkUsual()).rejects.toThrow("auto:other was certified for the model");
    const catalogue = await open([]);
    const keys = catalogue.usualFor({ recipe: ["auto:mine"] });
    expect((await catalogue.choose({ model: "untied" }, keys)).recipe.map(({ text }) => text)).toEqual([
      "auto:mine,else=dense",
    ]);
  });
});
