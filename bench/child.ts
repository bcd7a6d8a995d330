import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import type { Quant } from "../src/weights/prepared/weights.ts";
import type { Side } from "./harness.ts";
import type { Answer, Args, Name, Reply } from "./protocol.ts";

const here = import.meta.dirname;

/** Compiles `bench/<script>` for plain Node: a TypeScript loader would add its own time and memory to both sides. */
export async function compile(script: string): Promise<string> {
  const outfile = join(here, "dist", `${basename(script, ".ts")}.mjs`);
  await build({
    entryPoints: [join(here, script)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    logLevel: "error",
  });
  return outfile;
}

/** A child process that speaks `protocol.ts`; calls are answered in order, one at a time. */
export class Child {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #replies: AsyncIterator<string>;

  private constructor(file: string, args: readonly string[]) {
    this.#process = spawn(process.execPath, [file, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stderr.pipe(process.stderr);
    // Errors are ignored here, since a dead child shows in the end of its replies.
    this.#process.stdin.on("error", () => {});
    this.#replies = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  static async start(script: string, args: readonly string[] = []): Promise<Child> {
    return new Child(await compile(script), args);
  }

  /** @throws Error with the child's own message, or if it died. */
  async call<N extends Name>(command: N, args: Args<N>): Promise<Answer<N>> {
    this.#process.stdin.write(`${JSON.stringify({ command, ...args })}
`);
    const line = await this.#replies.next();
    if (line.done) throw new Error(`the process died during "${command}"`);
    const reply: Reply = JSON.parse(line.value);
    if ("error" in reply) throw new Error(reply.error);
    return reply.ok as Answer<N>;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}

export interface ChildSide {
  name: string;
  /** The script, relative to `bench/`; it must call `serve`. */
  script: string;
  args?: readonly string[];
  model: string;
  /** The context length of each sequence, in tokens. */
  context: number;
  /** The number of sequences that run at once; default 1. */
  sequences?: number;
  quant?: Quant;
  measure(child: Child): Promise<number>;
}

/** A side in a child process, with the model loaded. */
export function childSide({ name, script, args, measure, ...loading }: ChildSide): Side {
  let child: Child | undefined;
  return {
    name,
    async start() {
      child = await Child.start(script, args);
      await child.call("load", loading);
    },
    async run() {
      if (!child) throw new Error(`${name} has not been started`);
      return measure(child);
    },
    async stop() {
      await child?.stop();
      child = undefined;
    },
  };
}
