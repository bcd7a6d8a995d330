import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { compile } from "./child.ts";
import type { Side } from "./harness.ts";
import { seconds } from "./protocol.ts";

/** A side's report on a run: the time by its own clock, and the last text's vector. */
interface Embedded {
  seconds: number;
  last: number[];
}

/** Runs in the child process: loads the model named in its argument, then answers messages, each a list of texts. */
export async function serveTexts(
  load: (model: string) => Promise<(texts: string[]) => Promise<Float32Array>>,
): Promise<void> {
  const embed = await load(process.argv[2]!);
  process.on("message", async (texts: string[]) => {
    const started = performance.now();
    const last = await embed(texts);
    process.send!({ seconds: seconds(started), last: Array.from(last) } satisfies Embedded);
  });
  process.send!("ready");
}

/** A side in a child process, in texts per second; `script`, relative to `bench/`, calls `serveTexts`. */
export function embedSide(
  name: string,
  script: string,
  model: string,
  texts: readonly string[],
  check: (last: readonly number[]) => void,
): Side {
  let child: ChildProcess | undefined;
  return {
    name,
    async start() {
      child = fork(await compile(script), [model]);
      await message(child);
    },
    async run() {
      if (!child) throw new Error(`${name} has not been started`);
      child.send(texts);
      const { seconds, last } = (await message(child)) as Embedded;
      check(last);
      return texts.length / seconds;
    },
    async stop() {
      child?.kill();
      child = undefined;
    },
  };
}

/** The child's next message. @throws Error if the child ends first */
export async function message(child: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  const { signal } = over;
  const died = once(child, "exit", { signal }).then(([status]) => {
    throw new Error(`the process ended with status ${status}`);
  });
  died.catch(() => {});
  try {
    const [message] = await Promise.race([once(child, "message", { signal }), died]);
    return message;
  } finally {
    over.abort();
  }
}
