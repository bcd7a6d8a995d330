import { spawn } from "node:child_process";
import { once } from "node:events";
import fs, { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { vi } from "vitest";
import { runProgram } from "../src/cli/program.ts";
import { home, resolveModel } from "../src/weights/sources/index.ts";

export const root = join(import.meta.dirname, "..");

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface Call {
  /** The text piped into stdin; empty by default. */
  input?: string;
  env?: Record<string, string>;
  /** Sends the signal, SIGINT by default, as soon as stdout or stderr shows this. */
  interruptAt?: RegExp;
  signal?: NodeJS.Signals;
}

/** Process events that a command listens to until it ends. */
const stopEvents = ["SIGINT", "SIGTERM", "SIGHUP", "exit"] as const;

/**
 * Runs a command within the test's own process, to save starting another. Only for calls that read no stdin, one at a
 * time: `home` is the process's `MODICUM_HOME` meanwhile.
 */
export async function inProcess(words: readonly string[], home: string): Promise<Ended> {
  const output = { stdout: "", stderr: "" };
  const before = process.exitCode;
  const listeners = stopEvents.map((event) => process.rawListeners(event));
  process.exitCode = 0;
  vi.stubEnv("MODICUM_HOME", home);
  // `--offline` sets it.
  vi.stubEnv("HF_HUB_OFFLINE", "");
  withoutStdin();
  for (const name of ["stdout", "stderr"] as const)
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      output[name] += text;
      return true;
    });
  try {
    await runProgram(words);
    return { status: Number(process.exitCode), ...output };
  } finally {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
    vi.unstubAllEnvs();
    process.exitCode = before;
    for (const [i, event] of stopEvents.entries())
      for (const listener of process.rawListeners(event).slice(listeners[i]!.length))
        process.off(event, listener as () => void);
  }
}

/** Replaces stdin by a folder, so that `fstat` reports no pipe. */
function withoutStdin(): void {
  const { fstatSync } = fs;
  const folder = fs.statSync(root);
  vi.spyOn(fs, "fstatSync").mockImplementation(((file, options) =>
    file === 0 ? folder : fstatSync(file, options)) as typeof fstatSync);
  syncBuiltinESMExports();
}

/** A folder that is deleted after the tests: a `MODICUM_HOME` over the machine's own models, with a separate ledger. */
export async function temporaryHome(): Promise<{ path: string } & Disposable> {
  await resolveModel("smollm2");
  const path = mkdtempSync(join(tmpdir(), "modicum-cli-"));
  for (const folder of ["models", "programs"]) symlinkSync(join(home(), folder), join(path, folder));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Runs the program as a user does. */
export async function modicum(
  words: readonly string[],
  { input, env, interruptAt, signal = "SIGINT" }: Call = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, "bin", "modicum.js"), ...words], {
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  child.stdin?.on("error", () => {}).end(input);
  let shown = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on("data", (chunk) => {
      if (interruptAt?.test(shown)) return;
      shown += chunk;
      if (interruptAt?.test(shown)) child.kill(signal);
    });
  }
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "exit")]);
  return { status, stdout, stderr };
}
