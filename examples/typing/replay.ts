/**
 * Types a trace into the client of the VS Code extension, against a running server, and prints what each key cost. A next
 * key cancels the request of the one before; what it had run by then is in the server's ledger, and here.
 *
 *     npx tsx examples/typing/replay.ts [TRACE] [--server URL] [--model M] [--save S]… [--pause MS]
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CompletionClient } from "../vscode/client.cjs";
import { type Asked, keystrokes, totals } from "./cost.ts";
import { readTrace, typed } from "./trace.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string", default: "http://127.0.0.1:8080" },
    model: { type: "string", default: "qwen2.5-coder" },
    save: { type: "string", multiple: true, default: [] },
    pause: { type: "string", default: "150" },
  },
});
const trace = readTrace(positionals[0] ?? join(import.meta.dirname, "trace.json"));
const { server, model, save, pause } = values;
const client = new CompletionClient({ server, model, savings: save, pause: Number(pause), maxTokens: 48 });

const asked: Asked[] = [];
const waiting: Promise<void>[] = [];
const started = performance.now();
const since = new Date();
let controller = new AbortController();
for (const { key, before } of typed(trace)) {
  await sleep(Math.max(0, key.at - (performance.now() - started)));
  controller.abort();
  controller = new AbortController();
  const one: Asked = { insert: key.insert, at: Date.now() };
  asked.push(one);
  const shown = client.complete(before, trace.after, controller.signal).then((answer) => {
    if (answer) one.shown = answer;
  });
  waiting.push(shown);
}
await Promise.all(waiting);

const rows = await keystrokes(asked, `${server}/v1/receipts?limit=1000&since=${since.toISOString()}`);
for (const { insert, outcome, prompt, completion, spent, dense, text } of rows)
  console.log(
    [
      JSON.stringify(insert).padEnd(10),
      outcome.padEnd(9),
      `${prompt}+${completion}`.padStart(8),
      `${(spent / 1e9).toFixed(1)}/${(dense / 1e9).toFixed(1)} GFLOP`.padStart(20),
      text === undefined ? "" : JSON.stringify(text),
    ].join("  "),
  );
console.log(JSON.stringify({ trace: trace.file, model, savings: save, ...totals(rows) }));
