/**
 * vLLM's router before three servers: `npx tsx research/scale/router.ts`. The same requests go through it by
 * `cache_aware` and by `round_robin`, each to three new servers, and prefix hits are summed over the servers. Then one
 * of three servers is killed under load. Writes results/router.json; the first call installs the router.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { machine } from "../../bench/report.ts";
import { type OwnServer, serve } from "../../bench/serve/server.ts";
import { command } from "../../bench/train/python.ts";
import { openReceipts } from "../../src/index.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { freePort } from "../../test/free-port.testing.ts";

const root = join(import.meta.dirname, "..", "..");
const venv = join(root, ".ci", "venv-router");
const [SERVERS, SYSTEMS, QUESTIONS, TOGETHER, SEED] = [3, 16, 6, 4, 1];
const WORDS = "rivers trains bread stars music birds glass paper salt wind copper rain chess tea bridges wool".split(
  " ",
);
/** One server is killed after this many answers, with this many concurrent requests. */
const [KILL_AFTER, UNDER_LOAD] = [20, 12];

/** A router and its servers. */
interface Routed {
  readonly url: string;
  readonly servers: readonly OwnServer[];
  /** The number of requests that the router has retried. */
  readonly retries: () => Promise<number>;
}

interface Outcome {
  readonly status: number;
  /** The receipt of the answer; undefined if there is none. */
  readonly receipt?: string | undefined;
}

const answer = z.object({ choices: z.array(z.object({}).loose()).length(1), receipt: z.object({ id: z.string() }) });

if (!existsSync(join(venv, "bin", "vllm-router"))) await install();
const requests = chats();
const policies: Record<string, object> = {};
for (const policy of ["cache_aware", "round_robin"])
  policies[policy] = await behindRouter(policy, async ({ url, servers }) => {
    const outcomes = await ask(url, TOGETHER);
    const urls = servers.map((server) => server.url);
    const queries = await sumOf(urls, "vllm:prefix_cache_queries_total");
    const hits = await sumOf(urls, "vllm:prefix_cache_hits_total");
    return {
      answered: outcomes.filter(({ status }) => status === 200).length,
      queries,
      hits,
      share: round(hits / queries),
    };
  });
const killed = await behindRouter("round_robin", killOne);
const settings = {
  servers: SERVERS,
  requests: requests.length,
  systems: SYSTEMS,
  together: TOGETHER,
  underLoad: UNDER_LOAD,
  seed: SEED,
};
const result = { router: "vllm-router 0.1.17", model: "smollm2", machine: machine(), settings, policies, killed };
await writeJson(join(import.meta.dirname, "results", "router.json"), result);
console.log(JSON.stringify(result, undefined, 2));
process.exit(killed.unanswered + killed.answeredTwice + killed.rowsWithoutAnswer.others === 0 ? 0 : 1);

async function install(): Promise<void> {
  await command("python3", ["-m", "venv", venv]);
  const requirements = join(root, "tools", "reference", "router.txt");
  await command(join(venv, "bin", "python"), ["-m", "pip", "install", "--quiet", "-r", requirements]);
}

/** Questions after long system prompts, in a fixed random order. */
function chats(): object[] {
  const all = WORDS.slice(0, SYSTEMS).flatMap((topic, i) =>
    Array.from({ length: QUESTIONS }, (_, j) => {
      const rules = WORDS.map((word, k) => `Rule ${k + 1} of ${topic}: never confuse ${topic} with ${word}.`).join(" ");
      const content = `Name one thing about ${WORDS[(i + j + 1) % WORDS.length]}.`;
      const messages = [
        { role: "system", content: `You know all about ${topic}. ${rules}` },
        { role: "user", content },
      ];
      return { model: "smollm2", messages, temperature: 0, max_tokens: 8 };
    }),
  );
  return shuffle(all, seededRandom(SEED));
}

/** Runs `use` with a router's address, behind which three new servers answer. */
async function behindRouter<T>(policy: string, use: (routed: Routed) => Promise<T>): Promise<T> {
  const servers = await Promise.all(Array.from({ length: SERVERS }, () => serve("--model", "smollm2")));
  const port = await freePort();
  const words = ["--worker-urls", ...servers.map(({ url }) => url), "--policy", policy, "--port", String(port)];
  const checks = ["--worker-startup-check-interval", "1", "--health-check-interval-secs", "2"];
  const metrics = await freePort();
  const own = ["--prometheus-port", String(metrics)];
  const router = spawn(join(venv, "bin", "vllm-router"), [...words, ...checks, ...own], { stdio: "ignore" });
  try {
    const url = `http://127.0.0.1:${port}`;
    await ready(url, router);
    const retries = () => sumOf([`http://127.0.0.1:${metrics}`], "vllm_router_retries_total");
    return await use({ url, servers, retries });
  } finally {
    router.kill();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function ready(url: string, router: ChildProcess): Promise<void> {
  while (router.exitCode === null) {
    const ok = await fetch(`${url}/health`).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await sleep(100);
  }
  throw new Error("the router ended before it listened");
}

/** Sends all requests, some at a time. `answered`: called after each answer with their number. */
async function ask(url: string, together: number, answered: (count: number) => void = () => {}): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...requests];
  const client = async () => {
    for (let body = waiting.shift(); body; body = waiting.shift()) {
      outcomes.push(await send(url, body));
      answered(outcomes.length);
    }
  };
  await Promise.all(Array.from({ length: together }, client));
  return outcomes;
}

async function send(url: string, body: object): Promise<Outcome> {
  const [method, headers] = ["POST", { "content-type": "application/json" }];
  const response = await fetch(`${url}/v1/chat/completions`, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) return { status: response.status };
  return { status: response.status, receipt: answer.parse(await response.json()).receipt.id };
}

/** A counter's sum over all of its labels. */
async function sumOf(urls: readonly string[], counter: string): Promise<number> {
  const texts = await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
  const line = new RegExp(`^${counter}(?:\\{.*\\})? (\\d+)$`, "gm");
  const values = texts.flatMap((text) => [...text.matchAll(line)].map(([, value]) => Number(value)));
  return values.reduce((sum, value) => sum + value, 0);
}

function round(share: number): number {
  return Number(share.toFixed(4));
}

/** Kills the first server under load, and compares the answers with the ledgers of all. */
async function killOne({ url, servers, retries }: Routed) {
  const [victim, ...others] = servers;
  const outcomes = await ask(url, UNDER_LOAD, (count) => {
    if (count === KILL_AFTER) victim!.process.kill("SIGKILL");
  });
  if (victim!.process.signalCode === null) await once(victim!.process, "exit");
  const receipts = outcomes.flatMap(({ receipt }) => receipt ?? []);
  const answered = new Set(receipts);
  const rows = [await rowsOf(victim!), (await Promise.all(others.map(rowsOf))).flat()];
  const [ofVictim, ofOthers] = rows.map((ids) => ids.filter((id) => !answered.has(id)).length);
  return {
    requests: requests.length,
    retries: await retries(),
    unanswered: outcomes.length - receipts.length,
    answeredTwice: receipts.length - answered.size,
    rows: { killed: rows[0]!.length, others: rows[1]!.length },
    rowsWithoutAnswer: { killed: ofVictim!, others: ofOthers! },
    answersWithoutRow: receipts.filter((id) => !rows.flat().includes(id)).length,
  };
}

async function rowsOf({ home }: OwnServer): Promise<string[]> {
  const ledger = await openReceipts(join(home, "receipts.db"));
  try {
    return (await ledger.list()).map(({ id }) => id);
  } finally {
    await ledger.close();
  }
}
