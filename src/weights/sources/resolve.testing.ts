import { resolveModel } from "./index.ts";

/** Resolves the model that its argument names and prints one event per line, for tests that kill this process. */
const stop = new AbortController();
process.on("SIGINT", () => stop.abort());
const say = (kind: string, value: unknown) => process.stdout.write(`${kind} ${value}\n`);
try {
  const model = await resolveModel(process.argv[2]!, {
    signal: stop.signal,
    onProgress: (done) => say("bytes", done),
    onNotice: (sentence) => say("notice", sentence),
  });
  say("done", model.path);
} catch (error) {
  say("error", error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
}
