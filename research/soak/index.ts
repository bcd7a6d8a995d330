/**
 * Mixed load against a real server: joins, clients that leave, errors, long and short prompts, streams and whole
 * answers, several models.
 *
 *     npm run soak -- [--minutes 30] [--warm-up 10] [--rate 1] [--seed 1] [--out research/soak]
 *
 * `warm-up`: minutes of the same load before that, in which models are loaded and caches fill. `rate`: requests a
 * second on average; now and then many come at once. Writes soak.json and soak.md; exits 1 if it fails.
 */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { machine } from "../../bench/report.ts";
import { type OwnServer, serve } from "../../bench/serve/server.ts";
import { openReceipts } from "../../src/index.ts";
import { TINY } from "../../src/serve/serve.testing.ts";
import { seededRandom } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { nextAsk } from "./asks.ts";
import { type Resident, resident } from "./resident.ts";
import { type Outcome, send } from "./send.ts";
import { bills, memory, page, passes, type Soak } from "./verdict.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    "warm-up": { type: "string", default: "10" },
    rate: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: "research/soak" },
  },
});
const [minutes, rate, warmUp] = [Number(values.minutes), Number(values.rate), Number(values["warm-up"])];
/** The size of a burst of requests, and its frequency: one in this many, on average. */
const [BURST, BURST_ONE_IN] = [30, 120];
/** Seconds from one look at the server's memory to the next. */
const TICK = 10;
/** Bytes for keys and values beside the models' files. */
const KEYS_AND_VALUES = 1e9;
/** The most requests that run at a time: the machine may be slow. */
const MOST = 60;

mkdirSync(values.out, { recursive: true });
const started = new Date();
const server = await start();
const seen: Resident[] = [];
const enough = new AbortController();
const watching = watch(server, enough.signal);
const outcomes = await load(server.url);
enough.abort();
await watching;
const exit = await terminated(server);
const ledger = await openReceipts(join(server.home, "receipts.db"));
const receipts = await ledger.list();
await ledger.close();
await server.stop();
const found = { ...summary(outcomes), receipts: bills(outcomes, receipts), memory: memory(seen, warmUp), exit };
const metadata = { minutes, warmUp, rate, machine: machine(), started: started.toISOString() };
const soak: Soak = { ...metadata, ...found, passed: passes({ ...metadata, ...found }) };
await writeJson(join(values.out, "soak.json"), soak);
await writeFile(join(values.out, "soak.md"), page(soak));
console.log(page(soak));
process.exit(soak.passed ? 0 : 1);

/**
 * Models fit together with their answers' state, and leave when nobody has used them for some seconds, so that they
 * come and go.
 */
async function start(): Promise<OwnServer> {
  const named = ["smollm2", "minilm"];
  const resolved = await Promise.all(named.map((name) => resolveModel(name)));
  const large = resolved.reduce((sum, { bytes }) => sum + bytes, 0);
  const models = [...resolved.map(({ path }, i) => `${named[i]}=${path}`), ...TINY];
  const budget = ["--memory", String((large + KEYS_AND_VALUES) / 1e9), "--keep-alive", "0.2"];
  return serve(...models.flatMap((model) => ["--model", model]), "--queue", "24", ...budget);
}

/**
 * Records the server's memory every ten seconds of this program's running time: if it is paused, the server should be,
 * too.
 */
async function watch({ url, process: { pid } }: OwnServer, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(TICK * 1000);
    seen.push({ seconds: TICK * (seen.length + 1), ...(await resident(url, pid!)) });
  }
}

async function load(url: string): Promise<Outcome[]> {
  const draw = seededRandom(Number(values.seed));
  const outcomes: Outcome[] = [];
  const running = new Set<Promise<void>>();
  while (seen.length * TICK < (warmUp + minutes) * 60) {
    const many = draw() < 1 / BURST_ONE_IN ? BURST : 1;
    for (let i = 0; i < many && running.size < MOST; i++) {
      const one = send(url, nextAsk(draw)).then((outcome) => void outcomes.push(outcome));
      running.add(one);
      void one.finally(() => running.delete(one));
    }
    await sleep((-Math.log(1 - draw()) * 1000) / rate);
  }
  await Promise.all(running);
  return outcomes;
}

async function terminated({ process: child }: OwnServer): Promise<number | null> {
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const [status] = (await gone) as [number | null];
  return status;
}

function summary(outcomes: readonly Outcome[]): Pick<Soak, "requests" | "unexpected"> {
  const requests: Record<string, Record<string, number>> = {};
  for (const { kind, status } of outcomes.toSorted((a, b) => a.kind.localeCompare(b.kind))) {
    requests[kind] ??= {};
    requests[kind][status] = (requests[kind][status] ?? 0) + 1;
  }
  return { requests, unexpected: outcomes.filter(({ asExpected }) => !asExpected) };
}
