import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LIBRARIES, LIBRARIES_IN_PACKAGE } from "../src/runtime/ort/library.ts";
import { home, resolveModel } from "../src/weights/sources/index.ts";
import { root } from "./program.testing.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "modicum-package-"));
/**
 * Every command finds the model where the other tests keep it. Packages' scripts run as users have them: `npm test` hands
 * the clone's setting on.
 */
const env = { ...process.env, MODICUM_HOME: home(), DEBUG: "modicum", npm_config_ignore_scripts: "false" };

const inFolder = (command: string, ...words: string[]) => within(folder, command, ...words);

async function within(cwd: string, command: string, ...words: string[]): Promise<string> {
  const child = run(command, words, { cwd, env });
  child.child.stdin?.end();
  return (await child).stdout;
}

const tarball = () => join(folder, readdirSync(folder).find((file) => file.endsWith(".tgz"))!);

const rejected = (running: Promise<unknown>): Promise<{ stderr: string }> =>
  running.then(
    () => Promise.reject(new Error("expected it to fail")),
    (error) => error,
  );

beforeAll(async () => {
  await resolveModel("smollm2");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  await run("npm", ["pack", "--ignore-scripts=false", "--pack-destination", folder], { cwd: root });
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
  await inFolder("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", tarball());
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

test("no package's script downloads", async () => {
  const lock = JSON.parse(readFileSync(join(folder, "node_modules", ".package-lock.json"), "utf8"));
  const scripts = Object.keys(lock.packages).filter((name) => lock.packages[name].hasInstallScript);
  // Both find their built libraries in packages of their own.
  expect(scripts).toEqual(["node_modules/koffi", "node_modules/msgpackr-extract"]);
});

test("it has ONNX Runtime's library for each platform, and its licence", () => {
  const libraries = join(folder, "node_modules", "modicum", LIBRARIES_IN_PACKAGE);
  for (const file of [...Object.values(LIBRARIES), "LICENSE.txt"]) expect(existsSync(join(libraries, file))).toBe(true);
});

test("pnpm installs it, and runs none of the packages' scripts", async ({ skip }) => {
  const pnpm = ["exec", "--yes", "--prefer-offline", "pnpm@10", "--"];
  const other = join(folder, "pnpm");
  mkdirSync(other);
  writeFileSync(join(other, "package.json"), '{ "private": true }');
  const modicum = join(other, "node_modules", ".bin", "modicum");
  const missing = await within(other, "npm", ...pnpm, "--version").then(
    () => false,
    () => true,
  );
  skip(missing, "pnpm cannot be fetched from the registry");
  await within(other, "npm", ...pnpm, "add", "--prefer-offline", "--store-dir", join(folder, "store"), tarball());
  expect(await within(other, modicum, "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  const { tokens } = JSON.parse(
    await within(other, modicum, "run", "--json", "--model", "mamba-tiny", "--max-tokens", "4", "Hi"),
  );
  expect(tokens).toHaveLength(4);
  await within(other, "node", "--eval", 'import("modicum")');
}, 600_000);

test("a package without a build says so", async () => {
  const unbuilt = mkdtempSync(join(folder, "unbuilt-"));
  cpSync(join(root, "bin"), join(unbuilt, "bin"), { recursive: true });
  const { stderr } = await rejected(within(unbuilt, "node", "bin/modicum.js"));
  expect(stderr).toContain("dist/cli.js is missing: this package was packed without a build");
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
