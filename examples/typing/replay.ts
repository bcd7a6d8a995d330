/**
 * Types a trace into the client of the VS Code extension, against a running server, and prints what each key showed and
 * the total cost. Cancelled requests' costs are in the server's ledger, and in the sums here.
 *
 * npx tsx examples/typing/replay.ts [TRACE] [--server URL] [--model M] [--save S]… [--pause MS] [--client FILE]
 */
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { type Keystroke, totals } from "./cost.ts";
import { countRequests } from "./requests.ts";
import { readTrace, typed } from "./trace.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string", default: "http://127.0.0.1:8080" },
    model: { type: "string", default: "qwen2.5-coder" },
    save: { type: "string", multiple: true, default: [] },
    pause: { type: "string", default: "150" },
    client: { type: "string", default: join(import.meta.dirname, "..", "vscode", "client.cjs") },
  },
});
const trace = readTrace(positionals[0] ?? join(import.meta.dirname, "trace.json"));
const { server, model, save, pause } = values;
const { CompletionClient }: typeof import("../vscode/client.cjs") = await import(
  pathToFileURL(resolve(values.client)).href
);
const client = new CompletionClient({ server, model, savings: save, pause: Number(pause), maxTokens: 48 });
const requests = countRequests();

const keys: Keystroke[] = [];
const waiting: Promise<void>[] = [];
const started = performance.now();
const since = new Date();
let controller = new AbortController();
for (const { key, before } of typed(trace)) {
  await sleep(Math.max(0, key.at - (performance.now() - started)));
  controller.abort();
  controller = new AbortController();
  const keystroke: Keystroke = { insert: key.insert };
  keys.push(keystroke);
  const answered = client.complete(before, trace.after, controller.signal).then((shown) => {
    if (shown) keystroke.shown = shown;
  });
  waiting.push(answered);
}
await Promise.all(waiting);
const summary = { ...requests, whole: [...requests.whole] };
// A cancelled request's receipt is written once its last step has ended.
await sleep(2000);
const ledger = await fetch(`${server}/v1/receipts?limit=1000&since=${since.toISOString()}`);
const { data } = (await ledger.json()) as { data: NonNullable<Keystroke["shown"]>["receipt"][] };

for (const { insert, shown } of keys)
  console.log(JSON.stringify(insert).padEnd(10), shown ? JSON.stringify(shown.text) : "");
console.log(JSON.stringify({ trace: trace.file, model, savings: save, ...totals(keys, summary, data) }));
