import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { home, resolveModel } from "../src/weights/sources/index.ts";
import { root } from "./program.testing.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "modicum-package-"));
/** Every command finds the model where the other tests keep it. */
const env = { ...process.env, MODICUM_HOME: home(), DEBUG: "modicum" };

async function inFolder(command: string, ...words: string[]): Promise<string> {
  const child = run(command, words, { cwd: folder, env });
  child.child.stdin?.end();
  return (await child).stdout;
}

const rejected = (running: Promise<unknown>): Promise<{ stderr: string }> =>
  running.then(
    () => Promise.reject(new Error("expected it to fail")),
    (error) => error,
  );

beforeAll(async () => {
  await resolveModel("smollm2");
  await run("npm", ["run", "build"], { cwd: root });
  await run("npm", ["pack", "--pack-destination", folder], { cwd: root });
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
  const [tarball] = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
  await inFolder("npm", "install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", `./${tarball}`);
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the installed program answers", async () => {
  expect(await inFolder("npx", "modicum", "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  const { tokens, receipt } = JSON.parse(
    await inFolder("npx", "modicum", "run", "--json", "--max-tokens", "8", "What is the capital of France?"),
  );
  expect(tokens).toHaveLength(receipt.tokens.completion);
  expect(receipt.flops.spent).toBeGreaterThan(0);
});

test("a stack trace has short lines that name the sources", async () => {
  const { stderr } = await rejected(inFolder("npx", "modicum", "run", "--model", "./missing.gguf", "Hi"));
  expect(stderr).toMatch(/^UserError: .*\n {4}at .*\/src\/[\w/-]+\.ts:\d+:\d+\)?$/m);
  writeFileSync(join(folder, "uncaught.js"), 'import { load } from "modicum";\nawait load(42);\n');
  const uncaught = await rejected(inFolder("node", "--enable-source-maps", "uncaught.js"));
  expect(uncaught.stderr).toMatch(/^ {4}at load \(.*\/src\/library\/load\.ts:\d+:\d+\)$/m);
  for (const line of [stderr, uncaught.stderr].join("\n").split("\n")) expect(line.length).toBeLessThan(300);
});

test("it tells its savings, and that benches need a clone", async () => {
  const savings = JSON.parse(await inFolder("npx", "modicum", "savings", "--json"));
  expect(savings.map(({ name }: { name: string }) => name)).toContain("xattention");
  await expect(inFolder("npx", "modicum", "bench")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("from a clone"),
  });
});

test("the installed library answers, with types", async () => {
  const script = `import { load, type Chunk } from "modicum";
    using model = await load("smollm2");
    const chunks: Chunk[] = [];
    for await (const chunk of model.generate("Hi", { maxTokens: 3 })) chunks.push(chunk);
    const receipt = chunks.at(-1)?.receipt;
    console.log(receipt?.tokens.completion);`;
  writeFileSync(join(folder, "script.ts"), script);
  const bin = (name: string) => join(root, "node_modules", ".bin", name);
  const settings = ["--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2023,esnext.disposable"];
  const types = ["--types", "node", "--typeRoots", join(root, "node_modules", "@types"), "--skipLibCheck"];
  await inFolder(bin("tsc"), ...settings, ...types, "--noEmit", "script.ts");
  await inFolder(bin("esbuild"), "script.ts", "--format=esm", "--target=node20", "--outfile=script.js");
  expect(await inFolder("node", "script.js")).toBe("3\n");
});
