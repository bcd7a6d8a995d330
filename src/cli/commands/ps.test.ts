import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { registerRecipe } from "../../savings/registered.ts";
import { serveModels, type Testing, TINY } from "../../serve/serve.testing.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { define } from "./ps.ts";

let server: Testing;
beforeEach(async () => {
  vi.stubEnv("MODICUM_HOME", tempFolder());
  const created = new Date().toISOString();
  for (const name of ["fast", "slim"])
    await registerRecipe(`tiny@${name}`, { model: "tiny", recipe: ["exit:layer=1"], created });
  server = await serveModels(TINY.slice(0, 2));
});
afterEach(async () => {
  await server.stop(0);
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function printed(...words: string[]): Promise<string> {
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const command = new Command("ps");
  define(command);
  await command.parseAsync(["--url", server.url, ...words], { from: "user" });
  const text = written.mock.calls.map(([chunk]) => String(chunk)).join("");
  written.mockRestore();
  return text;
}

test("a model is one line, with its recipes' names, the form of its weights and active requests", async () => {
  const [head, ...lines] = (await printed()).trimEnd().split("\n");
  expect(head).toMatch(/^MODEL +FILES +RECIPES +FORM +RUNNING$/);
  expect(lines).toEqual([
    expect.stringMatching(/^tiny +\d+\.\d MB +fast slim +auto +0$/),
    expect.stringMatching(/^sentences +\d+\.\d MB +not in memory$/),
  ]);
});

test("as JSON, a model is an object", async () => {
  const { models } = JSON.parse(await printed("--json"));
  expect(models).toMatchObject([
    { id: "tiny", recipes: ["tiny@fast", "tiny@slim"], loaded: [{ quant: "auto", users: 0 }] },
    { id: "sentences", recipes: [], loaded: [] },
  ]);
});
