import { cpSync, existsSync, renameSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Certificate, keepCertificate, switchCertificate, switchFile } from "../../savings/auto/certificate.ts";
import { certificateOf } from "../../savings/auto/fixture.testing.ts";
import { registeredRecipes, registerRecipe } from "../../savings/registered.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { define } from "./recipes.ts";

/** The weight form of the models in these tests. */
const running = vi.hoisted(() => ({ quant: "auto" }));
vi.mock("../../weights/prepared/tuning.ts", async (original) => ({
  ...(await original<typeof import("../../weights/prepared/tuning.ts")>()),
  formHere: () => running,
}));

const fixture = (name: string) =>
  path.relative(".", fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url)));

beforeEach(() => {
  vi.stubEnv("MODICUM_HOME", tempFolder());
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function run(...words: string[]): Promise<string> {
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  written.mockClear();
  const command = new Command("recipes");
  define(command);
  await command.parseAsync(words, { from: "user" });
  return written.mock.calls.map(([text]) => text).join("");
}

const listed = () => run();

async function add(...words: string[]): Promise<void> {
  const command = new Command("recipes");
  define(command);
  await command.parseAsync(["add", "fast", ...words], { from: "user" });
}

test("a recipe is registered for a model that exists, wherever it is used; or for a downloadable one", async () => {
  const file = fixture("llama-tiny.gguf");
  await add("--model", file, "--save", "xattention:threshold=0.5");
  await add("--model", "smollm2");
  expect(await registeredRecipes()).toMatchObject({
    "llama-tiny.gguf@fast": { model: path.resolve(file), recipe: ["xattention:threshold=0.5"] },
    "smollm2@fast": { model: "smollm2", recipe: [] },
  });
});

test("a recipe that replaces another names it", async () => {
  await add("--model", "smollm2", "--save", "lookup");
  expect(process.stderr.write).toHaveBeenLastCalledWith(expect.stringMatching(/^registered as smollm2@fast: /));
  await add("--model", "smollm2", "--save", "lookup:match=2");
  expect(process.stderr.write).toHaveBeenLastCalledWith(
    expect.stringMatching(/^registered as smollm2@fast, in place of lookup: /),
  );
});

test("a recipe from before a default changed is listed with the option that it keeps", async () => {
  await add("--model", "smollm2", "--save", "dynamax");
  const created = new Date(0).toISOString();
  await registerRecipe("smollm2@older", { model: "smollm2", recipe: ["dynamax"], created });
  const shown = await listed();
  expect(shown).toMatch(/^smollm2@fast +dynamax +not measured/m);
  expect(shown).toMatch(/^smollm2@older +dynamax:fill=copy-kv\/ssm-partial +not measured/m);
});

test("a saving's name alone is registered with the options of the model's preset; or refused", async () => {
  await add("--model", "vlm-tiny", "--save", "feather");
  const preset = "feather:after=2,ratio=0.7,equal=true";
  expect((await registeredRecipes())["vlm-tiny@fast"]).toMatchObject({
    recipe: [preset],
    resolved: [expect.stringContaining("stride=3")],
  });
  await expect(add("--model", "vlm-tiny", "--save", "prune")).rejects.toThrow(
    "no choice of tokens has been shown to work",
  );
  await expect(add("--model", "smollm2", "--save", "prune")).rejects.toThrow(
    "a preset of smollm2, which is not downloaded",
  );
});

const certified = (name: string, over: Partial<Certificate> = {}) =>
  keepCertificate(name, certificateOf("lookup:match=2", over));
const created = new Date(0).toISOString();
const register = (full: string, name: string) =>
  registerRecipe(full, { model: "smollm2", recipe: [`auto:${name}`], created });

test("a certified recipe is listed with its saving, its loss by name, and whether it is audited", async () => {
  await certified("mine");
  await certified("byte", { cost: { ...certificateOf("lookup", {}).cost, by: "bytes" }, loss: "nats" });
  await certified("drawn", { sampling: { repetitionPenalty: 1.05 }, loss: "nats", task: { name: "chats", hash: "" } });
  for (const name of ["mine", "byte", "drawn", "lost"]) await register(`smollm2@${name}`, name);
  await switchCertificate("byte", false);
  const shown = await run();
  expect(shown).toMatch(
    /^smollm2@mine +auto:mine +50.0 % ms +agreement 0.0100 \(at most 0.05\) +made up +on, not auditable \(no bound on nats\)/m,
  );
  expect(shown).toMatch(
    /^smollm2@byte +auto:byte +50.0 % bytes +nats 0.0100 \(at most 0.05\) +made up +off, 0 audited/m,
  );
  expect(shown).toMatch(/^smollm2@drawn .+ chats +on, not auditable \(repetitionPenalty 1.05\)/m);
  expect(shown).toMatch(/^smollm2@lost +auto:lost +auto:lost: there is no certificate with that name/m);
  expect(JSON.parse(await run("--json"))[0].certificate).toMatchObject({
    name: "mine",
    by: "ms",
    saved: 0.5,
    on: true,
  });
});

test.each(["smollm2@fast", "fast"])("on, off and rm all accept %s", async (spelling) => {
  await certified("fast");
  await register("smollm2@fast", "fast");
  expect(await run("off", spelling)).toBe("auto:fast is off: its requests run dense\n");
  expect(existsSync(switchFile("fast"))).toBe(true);
  expect(await run("on", spelling)).toBe("auto:fast is on\n");
  expect(existsSync(switchFile("fast"))).toBe(false);
  expect(await run("rm", spelling)).toBe("removed smollm2@fast; its certificate stays, as auto:fast\n");
  expect(await registeredRecipes()).toEqual({});
});

test("a name that several models have, a recipe without a certificate and an unknown name are refused", async () => {
  await register("smollm2@fast", "fast");
  await register("other@fast", "fast");
  await registerRecipe("smollm2@plain", { model: "smollm2", recipe: ["lookup"], created });
  await expect(run("rm", "fast")).rejects.toThrow("expected one of smollm2@fast, other@fast");
  await expect(run("off", "smollm2@plain")).rejects.toThrow("smollm2@plain has no certificate");
  await expect(run("off", "none")).rejects.toThrow("there is no certificate with that name");
  await expect(run("off", "smollm2@none")).rejects.toThrow('no recipe is registered as "smollm2@none"');
  await expect(run("rm", "none")).rejects.toThrow('no recipe is registered as "none"');
  expect(Object.keys(await registeredRecipes())).toHaveLength(3);
});

test.each([
  ["an unknown alias", ["--model", "smolm2"], 'no model is called "smolm2"; did you mean "smollm2"?'],
  ["a missing file", ["--model", "absent.gguf"], "there is no file absent.gguf"],
  [
    "savings that the model has no seam for",
    ["--model", fixture("../../engine/fixtures/classifier"), "--save", "xattention"],
    "no seams for savings",
  ],
])("%s is reported, and nothing is registered", async (_, words, sentence) => {
  await expect(add(...words)).rejects.toThrow(sentence);
  expect(await registeredRecipes()).toEqual({});
});

test("a recipe whose adapter's folder was moved says so in the list", async () => {
  const folder = path.join(tempFolder(), "poet");
  cpSync(fixture("../../weights/adapter/fixtures/llama-gguf"), folder, { recursive: true });
  await add("--model", fixture("llama-tiny.gguf"), "--adapter", folder);
  expect(await listed()).toContain("dense, adapter poet  ");
  renameSync(folder, `${folder}-elsewhere`);
  expect(await listed()).toContain(`dense, adapter poet (there is no folder ${folder})`);
});

test("a recipe says which of its savings changes nothing in the model's form", async () => {
  const tiny = fixture("llama-tiny.gguf");
  await add("--model", tiny, "--save", "int8-prefill", "--save", "lookup");
  running.quant = "q8r";
  expect(await listed()).toContain("int8-prefill changes nothing here: prompts run in rotated bytes already (q8r)");
  running.quant = "auto";
  expect(await listed()).not.toContain("changes nothing");
});
