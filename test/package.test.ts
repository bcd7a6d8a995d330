import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LIBRARIES, platformPackage } from "../src/runtime/ort/library.ts";
import { MODELS_PACKAGE } from "../src/util/model-folders.ts";
import { version } from "../src/util/package-root.ts";
import { home, resolveModel } from "../src/weights/sources/index.ts";
import { platformManifest, writePlatformPackage } from "../tools/platform-package.ts";
import { root } from "./program.testing.ts";
import { type PublishedPackage, type Registry, startRegistry } from "./registry.testing.ts";

const run = promisify(execFile);
const place = mkdtempSync(join(tmpdir(), "modicum-package-"));
// In separate trees: Node also finds packages in parent folders.
const [folder, pnpmFolder] = [join(place, "npm"), join(place, "pnpm")];
const platform = `${process.platform}-${process.arch}`;
let registry: Registry;
/**
 * Every command finds the model where the other tests keep it. Packages' scripts run with users' settings: `npm test`
 * would pass on the clone's.
 */
const env: NodeJS.ProcessEnv = {
  ...process.env,
  MODICUM_HOME: home(),
  DEBUG: "modicum",
  npm_config_ignore_scripts: "false",
};

const inFolder = (command: string, ...words: string[]) => within(folder, command, ...words);
/** Without npx, which takes longer to start than the program. */
const installed = (...words: string[]) => inFolder(join(folder, "node_modules", ".bin", "modicum"), ...words);

async function within(cwd: string, command: string, ...words: string[]): Promise<string> {
  const child = run(command, words, { cwd, env });
  child.child.stdin?.end();
  return (await child).stdout;
}

const rejected = (running: Promise<unknown>): Promise<{ stdout: string; stderr: string }> =>
  running.then(
    () => Promise.reject(new Error("expected it to fail")),
    (error) => error,
  );

/**
 * Packs a copy of this clone, and its models: packing rebuilds `dist` and writes `package.json`, which other tests read
 * meanwhile. The copy has one model in each package and no docs, which would take most of the time to pack.
 */
async function packedClone(): Promise<{ program: string; models: string }> {
  const clone = join(folder, "clone");
  for (const name of [
    "apps",
    "bin",
    "models/digits-tiny",
    "packages/models/mamba-tiny",
    "packages/models/package.json",
    "src",
    "tools",
    "LICENSE",
    "package.json",
    "tsconfig.json",
    ".npmrc",
  ])
    cpSync(join(root, name), join(clone, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  const pack = ["pack", "--ignore-scripts=false", "--pack-destination", folder];
  await within(clone, "npm", ...pack);
  await within(join(clone, "packages", "models"), "npm", ...pack);
  const text = (path: string) => readFileSync(join(path, "package.json"), "utf8");
  expect(text(clone)).toBe(text(root));
  rmSync(clone, { recursive: true });
  const tarball = (name: string) => join(folder, `${name}-${version()}.tgz`);
  return { program: tarball("modicum"), models: tarball(MODELS_PACKAGE) };
}

/** The packages as published; of the platform packages, only this machine's has a file. */
async function publishedPackages() {
  const packed = await packedClone();
  const published = async (tarball: string): Promise<PublishedPackage> => ({
    manifest: JSON.parse(await inFolder("tar", "-xOzf", tarball, "package/package.json")),
    tarball,
  });
  const here = writePlatformPackage(platform, join(folder, "release"));
  const [file] = (await inFolder("npm", "pack", "--silent", here)).trim().split("\n");
  const platforms = Object.keys(LIBRARIES).map((name) => ({
    manifest: platformManifest(name),
    ...(name === platform ? { tarball: join(folder, file!) } : {}),
  }));
  return [await published(packed.program), await published(packed.models), ...platforms];
}

beforeAll(async () => {
  for (const empty of [folder, pnpmFolder]) mkdirSync(empty);
  await resolveModel("smollm2");
  const upstream = (await inFolder("npm", "config", "get", "registry")).trim();
  registry = await startRegistry(await publishedPackages(), upstream);
  env["npm_config_registry"] = registry.url;
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
  await inFolder("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "modicum");
}, 600_000);
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(place, { recursive: true, force: true });
});

test("the installed program answers", async () => {
  expect(await inFolder("npx", "modicum", "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  const { tokens, receipt } = JSON.parse(
    await installed("run", "--json", "--max-tokens", "8", "What is the capital of France?"),
  );
  expect(tokens).toHaveLength(receipt.tokens.completion);
  expect(receipt.flops.spent).toBeGreaterThan(0);
});

test("no package's script downloads", async () => {
  const lock = JSON.parse(readFileSync(join(folder, "node_modules", ".package-lock.json"), "utf8"));
  const scripts = Object.keys(lock.packages).filter((name) => lock.packages[name].hasInstallScript);
  // Both find their built libraries in separate packages.
  expect(scripts).toEqual(["node_modules/koffi", "node_modules/msgpackr-extract"]);
});

test("of the platform packages, only this platform's is installed, with its licence", () => {
  const packages = join(folder, "node_modules");
  const installed = readdirSync(packages).filter((name) => name.includes("onnxruntime"));
  expect(installed).toEqual([platformPackage(platform)]);
  expect(readFileSync(join(packages, installed[0]!, "LICENSE.txt"), "utf8")).toContain("Microsoft Corporation");
});

test("without its platform's package, one sentence names it", async () => {
  const library = join(folder, "node_modules", platformPackage(platform));
  renameSync(library, join(folder, "aside"));
  const [run, doctor] = await Promise.all([rejected(installed("run", "Hi")), rejected(installed("doctor"))]);
  renameSync(join(folder, "aside"), library);
  const sentence = `the package ${platformPackage(platform)}, which contains ONNX Runtime's library, is missing`;
  expect(run.stderr).toContain(`error: ${sentence}`);
  expect(doctor.stdout).toMatch(new RegExp(`^MISSING +ONNX Runtime +${sentence}`, "m"));
});

const ABSENT = `error: mamba-tiny is in the package ${MODELS_PACKAGE}, which is missing: install ${MODELS_PACKAGE}-*.tgz`;
const RUN_MAMBA = ["run", "--json", "--model", "mamba-tiny", "--max-tokens", "4", "Hi"];

test("models made here are found once their package is installed; until then, one sentence names it", async () => {
  const listed = async () => {
    const models: { name: string; downloaded: boolean }[] = JSON.parse(await installed("list", "--all", "--json"));
    return Object.fromEntries(models.map(({ name, downloaded }) => [name, downloaded]));
  };
  expect((await rejected(installed(...RUN_MAMBA))).stderr).toContain(ABSENT);
  expect(await listed()).toMatchObject({ "mamba-tiny": false, "digits-tiny": true });
  await inFolder("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", MODELS_PACKAGE);
  expect(JSON.parse(await installed(...RUN_MAMBA)).tokens).toHaveLength(4);
  expect(await listed()).toMatchObject({ "mamba-tiny": true, "digits-tiny": true });
});

test("pnpm installs it, and runs none of the packages' scripts", async ({ skip }) => {
  const pnpm = ["exec", "--yes", "--prefer-offline", "pnpm@10", "--"];
  writeFileSync(join(pnpmFolder, "package.json"), '{ "private": true }');
  const modicum = join(pnpmFolder, "node_modules", ".bin", "modicum");
  const missing = await within(pnpmFolder, "npm", ...pnpm, "--version").then(
    () => false,
    () => true,
  );
  skip(missing, "pnpm cannot be fetched from the registry");
  const add = [...pnpm, "add", "--prefer-offline", "--store-dir", join(folder, "store")];
  await within(pnpmFolder, "npm", ...add, "modicum");
  expect(await within(pnpmFolder, modicum, "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await rejected(within(pnpmFolder, modicum, ...RUN_MAMBA))).stderr).toContain(ABSENT);
  await within(pnpmFolder, "npm", ...add, MODELS_PACKAGE);
  expect(JSON.parse(await within(pnpmFolder, modicum, ...RUN_MAMBA)).tokens).toHaveLength(4);
  await within(pnpmFolder, "node", "--eval", 'import("modicum")');
}, 600_000);

test("a package without a build says so", async () => {
  const unbuilt = mkdtempSync(join(folder, "unbuilt-"));
  cpSync(join(root, "bin"), join(unbuilt, "bin"), { recursive: true });
  const { stderr } = await rejected(within(unbuilt, "node", "bin/modicum.js"));
  expect(stderr).toContain("dist/cli.js is missing: this package was packed without a build");
});

test("a stack trace has short lines that name the sources", async () => {
  const { stderr } = await rejected(installed("run", "--model", "./missing.gguf", "Hi"));
  expect(stderr).toMatch(/^UserError: .*\n {4}at .*\/src\/[\w/-]+\.ts:\d+:\d+\)?$/m);
  writeFileSync(join(folder, "uncaught.js"), 'import { load } from "modicum";\nawait load(42);\n');
  const uncaught = await rejected(inFolder("node", "--enable-source-maps", "uncaught.js"));
  expect(uncaught.stderr).toMatch(/^ {4}at load \(.*\/src\/library\/load\.ts:\d+:\d+\)$/m);
  for (const line of [stderr, uncaught.stderr].join("\n").split("\n")) expect(line.length).toBeLessThan(300);
});

test("it lists its savings, and says that benches need a clone", async () => {
  const savings = JSON.parse(await installed("savings", "--json"));
  expect(savings.map(({ name }: { name: string }) => name)).toContain("xattention");
  await expect(installed("bench")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("from a clone"),
  });
});

test("its other entries are found, and share its functions' names", async () => {
  const names = async (entry: string): Promise<string[]> =>
    JSON.parse(
      await inFolder("node", "--eval", `import("${entry}").then((it) => console.log(JSON.stringify(Object.keys(it))))`),
    );
  const all = await names("modicum");
  expect(all).toEqual(expect.arrayContaining(["load", "train", "openIndex", "UserError"]));
  for (const entry of ["train", "search"])
    expect((await names(`modicum/${entry}`)).filter((name) => !all.includes(name) && name !== "SearchIndex")).toEqual(
      [],
    );
  expect(await names("modicum/lab")).toContain("runGrid");
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
