import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
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
  /** Sends SIGINT as soon as stdout or stderr shows this. */
  interruptAt?: RegExp;
}

/** A folder that is deleted after the tests: a `MODICUM_HOME` over the machine's own models, with a separate ledger. */
export async function temporaryHome(): Promise<{ path: string } & Disposable> {
  await resolveModel("smollm2");
  const path = mkdtempSync(join(tmpdir(), "modicum-cli-"));
  for (const folder of ["models", "programs"]) symlinkSync(join(home(), folder), join(path, folder));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Runs the program as a user does. */
export async function modicum(words: readonly string[], { input, env, interruptAt }: Call = {}): Promise<Ended> {
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
      if (interruptAt?.test(shown)) child.kill("SIGINT");
    });
  }
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "exit")]);
  return { status, stdout, stderr };
}
