/** Processes around a real Redis, for tests of its queue. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));

/** The machine's Redis or Valkey; undefined if it has neither. */
export const server = ["redis-server", "valkey-server"].find((name) => {
  try {
    execFileSync(name, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
});

/** A process, and all of its output so far. */
export type Said = ChildProcess & { readonly said: () => string };

/** Processes that run in a folder until they are killed together. */
export class Processes {
  readonly #children: ChildProcess[] = [];

  constructor(private readonly folder: string) {}

  start(command: string, words: readonly string[], env = {}): Said {
    const child = spawn(command, words, {
      ...{ stdio: ["ignore", "pipe", "pipe"], cwd: this.folder },
      env: { ...process.env, ...env },
    });
    this.#children.push(child);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (text += data));
    return Object.assign(child, { said: () => text });
  }

  modicum(words: readonly string[], env = {}): Said {
    return this.start(process.execPath, [bin, ...words], env);
  }

  /** Stores nothing on disk: its data are lost when it ends. */
  redis(port: number): Said {
    return this.start(server!, ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", this.folder]);
  }

  kill(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}
