import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { fileState } from "../weights/file-state.ts";
import { sha256, tempFolder, withEnv, writeAt } from "../weights/sources/helpers.testing.ts";
import { modelFolder } from "../weights/sources/home.ts";
import { preparedFolder } from "../weights/sources/index.ts";
import { keepModel } from "../weights/sources/store.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

const [, whole] = TINY[0]!.split("=") as [string, string];
const folder = mkdtempSync(path.join(tmpdir(), "modicum-broken-"));
const file = path.join(folder, "model.gguf");
let server: Testing;
beforeAll(async () => {
  copyFileSync(whole, file);
  server = await serveModels([TINY[0]!, `second=${file}`]);
});
beforeEach(() => copyFileSync(whole, file));
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const ask = (more: object = {}) =>
  post(server, "/v1/completions", { model: "second", prompt: "a", max_tokens: 1, ...more });

test.each<[string, () => void, object]>([
  ["deleted", () => rmSync(file), {}],
  ["deleted, and asked under a recipe", () => rmSync(file), { savings: ["xattention"] }],
  ["cut short in its header", () => truncateSync(file, 100), {}],
  ["cut short in its weights", () => truncateSync(file, 20_000), {}],
])(
  "a model's file that is %s before its first use is the server's fault, which its log reports",
  async (_, spoil, more) => {
    spoil();
    const lines = server.logged.length;
    const response = await ask(more);
    expect(response.status).toBe(503);
    expect(await jsonOf(response)).toEqual({
      error: {
        message: expect.stringMatching(/^the server's model cannot be used/),
        type: "server_error",
        param: null,
        code: null,
      },
    });
    const errors = server.logged
      .slice(lines)
      .map((line) => JSON.parse(line))
      .filter(({ level }) => level === 50);
    expect(errors).toMatchObject([{ err: { message: expect.stringContaining(file) } }]);
  },
);

test("a model with damaged prepared weights is the server's fault once, and is then loaded again", async () => {
  const right = await jsonOf(ask({ keep_alive: 0, temperature: 0 }));
  const [form] = readdirSync(preparedFolder(file));
  const prepared = path.join(preparedFolder(file), form!, "weights.bin");
  writeFileSync(prepared, readFileSync(prepared).fill(255));
  writeFileSync(prepared.replace(/bin$/, "state"), fileState(prepared));
  const lines = server.logged.length;
  expect((await ask({ temperature: 0 })).status).toBe(503);
  expect(server.logged.slice(lines).join()).toContain("damaged prepared weights have been removed");
  expect((await jsonOf(ask({ temperature: 0 }))).choices).toEqual(right.choices);
});

test("a downloaded model that was damaged since the start is not used, and the log says how to fix it", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  const body = readFileSync(whole);
  const modelPath = writeAt(path.join(modelFolder("pypi:tiny"), "m.gguf"), body);
  const hash = sha256(body);
  await keepModel({ name: "pypi:tiny", file: "m.gguf", bytes: body.length, sha256: hash, source: "pypi:tiny:m.gguf" });
  const other = await serveModels([TINY[0]!, "kept=pypi:tiny"]);
  writeFileSync(modelPath, body.fill(0, 100_000, 104_096));
  const { status } = await post(other, "/v1/completions", { model: "kept", prompt: "a", max_tokens: 1 });
  expect(status).toBe(503);
  expect(other.logged.join()).toMatch(/m\.gguf is damaged: .*`modicum pull pypi:tiny` repairs it/);
  await other.stop(0);
});

test("savings that do not fit an intact model are the client's fault; once its file is intact again, the model answers", async () => {
  expect((await ask({ savings: ["exit:layer=99"] })).status).toBe(400);
  expect((await ask()).status).toBe(200);
});
