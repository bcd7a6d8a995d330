import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { compile } from "../child.ts";
import { MODEL } from "./completion.ts";

/** A server in a child process. */
export interface Server {
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

const program = join(import.meta.dirname, "..", "..", "bin", "modicum.js");

/** `modicum serve` as users start it, with one model. */
export const ownServer = (model: string): Promise<OwnServer> => serve("--model", `${MODEL}=${model}`);

/** A server with a temporary home. */
export interface OwnServer extends Server {
  readonly home: string;
}

export async function serve(...args: string[]): Promise<OwnServer> {
  const home = mkdtempSync(join(tmpdir(), "modicum-bench-"));
  const server = await serverIn(home, ...args);
  const stop = async () => {
    await server.stop();
    rmSync(home, { recursive: true });
  };
  return { ...server, home, stop };
}

/** A server with a home that outlives it. */
export const serverIn = (home: string, ...args: string[]): Promise<Server> =>
  launch(program, ["serve", "--port", "0", ...args], { MODICUM_HOME: home });

/** A peer's server: `script`, relative to `bench/`, calls `servePeer`. */
export const peerServer = async (script: string, ...args: string[]): Promise<Server> =>
  launch(await compile(script), args);

/** Starts a server that prints `"url":"…"` on stderr, and waits until it is ready. @throws Error if it ends first */
async function launch(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<Server> {
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  // A failing bench leaves no server behind.
  process.once("exit", () => child.kill("SIGKILL"));
  const url = await saidUrl(child);
  while (!(await fetch(`${url}/ready`)).ok) await sleep(50);
  return { url, process: child, stop: () => killed(child) };
}

async function saidUrl(child: ChildProcess): Promise<string> {
  let output = "";
  for await (const part of child.stderr!.iterator({ destroyOnReturn: false })) {
    output += part;
    const url = /"url":"([^"]+)"/.exec(output)?.[1];
    if (!url) continue;
    // The server's log must be read, or it fills the pipe; calling `resume` here would have no effect.
    child.stderr!.on("data", () => {});
    return url;
  }
  throw new Error(`a server ended before it listened: ${output.trim()}`);
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
