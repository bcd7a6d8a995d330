import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";

const root = path.join(import.meta.dirname, "..", "..");

/**
 * Starts a separate server from this clone's sources while `run` queries it. `home`: its MODICUM_HOME, by default the
 * user's.
 */
export async function served<T>(args: readonly string[], run: (url: string) => Promise<T>, home?: string): Promise<T> {
  const env = { ...process.env, MODICUM_TUNE: "off", ...(home !== undefined && { MODICUM_HOME: home }) };
  const main = ["--import", "tsx", path.join(root, "src", "cli", "main.ts"), "serve", "--port", "0"];
  const server = spawn(process.execPath, [...main, ...args], { cwd: root, env, stdio: ["ignore", "ignore", "pipe"] });
  try {
    return await run(await urlOf(server));
  } finally {
    server.kill("SIGKILL");
  }
}

async function urlOf(server: ChildProcess): Promise<string> {
  let log = "";
  for await (const part of server.stderr!.iterator({ destroyOnReturn: false })) {
    log += part;
    const url = /"url":"([^"]+)"/.exec(log)?.[1];
    if (url === undefined) continue;
    server.stderr!.on("data", () => {});
    while (!(await fetch(`${url}/ready`)).ok) await new Promise((resolve) => setTimeout(resolve, 100));
    return url;
  }
  throw new Error(`the server ended before it listened: ${log.trim()}`);
}
