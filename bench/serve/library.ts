/**
 * Our library in a child process, for the bench `serve-stream`: each message is a prompt and options, each answer the
 * rate in tokens per second.
 */
import { load, type RunOptions } from "../../src/index.ts";

/** A call to the library. */
export interface LibraryCall {
  readonly prompt: string;
  readonly options: RunOptions;
}

const model = await load(process.argv[2]!);
process.on("message", async ({ prompt, options }: LibraryCall) => {
  const started = performance.now();
  let tokens = 0;
  for await (const chunk of model.generate(prompt, options)) tokens += chunk.tokens.length;
  process.send!((tokens * 1000) / (performance.now() - started));
});
process.send!("ready");
