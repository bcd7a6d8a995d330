/**
 * Tests Redis's queue while workers die: `npx tsx research/scale/queues.ts [--seed 1]`. A lab run, a tuning and a sweep
 * are each done by one process, then through Redis by three workers, of which a random one is killed (`kill -9`) and
 * replaced after random pauses until the work is done. Compares every line that both leave, without times; writes
 * results/queues.json.
 */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "../../bench/report.ts";
import { seededRandom } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { freePort } from "../../test/free-port.testing.ts";
import { killsUntil } from "../../test/random-kills.testing.ts";
import { Processes, type Said } from "../../test/redis.testing.ts";

const { values } = parseArgs({ options: { seed: { type: "string", default: "1" } } });
const random = seededRandom(Number(values.seed));
const tiny = join(import.meta.dirname, "..", "..", "src", "models", "fixtures", "llama-tiny.gguf");
const folder = mkdtempSync(join(tmpdir(), "modicum-queues-"));
const processes = new Processes(folder);
/** Seconds between two kills: one comes soon after a start, another after a job's lock would have run out. */
const [SHORTEST, LONGEST] = [1, 12];

/** A piece of work by its command, and the files of lines that it leaves in a folder. */
interface Work {
  readonly words: (out: string) => string[];
  readonly files: readonly string[];
}

const rates = [1e-3, 3e-3, 5e-3, 1e-2];
const drawn = ["--temperature", "0.8", "--max-tokens", "8", "--cost", "flops", "--risk", "0.3"];
const works: Record<string, Work> = {
  lab: {
    words: (out) => ["lab", "run", "--model", tiny, "--task", "choices.jsonl", "--recipe", "xattention:threshold=0.9", "--out", out],
    files: ["out/results.jsonl"],
  },
  tuning: {
    words: () => ["lab", "tune", "--model", tiny, "--task", "prompts.jsonl", "--name", "mine", "--candidates", "candidates.txt", ...drawn],
    files: ["tunings/mine/answers.jsonl"],
  },
  sweep: {
    words: (out) => ["train", "sweep", "sweep.json", "--out", out],
    files: rates.map((rate) => `out/lr=${rate}/metrics.jsonl`),
  },
}; // biome-ignore format: a command a line

writeData();
const found: Record<string, object> = {};
let whole = true;
try {
  for (const [name, work] of Object.entries(works)) {
    const result = await compared(name, work);
    console.log(name, JSON.stringify(result));
    found[name] = result;
    whole &&= result.lost + result.twice + result.otherwise === 0;
  }
} finally {
  processes.kill();
  rmSync(folder, { recursive: true });
}
await writeJson(join(import.meta.dirname, "results", "queues.json"), {
  machine: machine(),
  ...{ seed: Number(values.seed), workers: 3, secondsBetweenKills: [SHORTEST, LONGEST] },
  ...found,
});
process.exit(whole ? 0 : 1);

async function compared(name: string, work: Work) {
  const [alone, shared] = [`${name}-alone`, `${name}-shared`];
  await ended(start(alone, work));
  const port = await freePort();
  const store = processes.redis(port);
  const url = `redis://127.0.0.1:${port}`;
  const running = start(shared, work, "--queue", url);
  const worker = () => processes.modicum(["lab", "worker", "--queue", url], home(shared));
  const kills = await killsUntil(() => running.exitCode !== null, worker, () => (SHORTEST + random() * (LONGEST - SHORTEST)) * 1000, random); // biome-ignore format: one call
  await ended(running);
  store.kill("SIGKILL");
  return { kills, ...difference(linesOf(alone, work), linesOf(shared, work)) };
}

/** A folder for tunings, with other work in its `out`. */
function home(name: string) {
  return { MODICUM_HOME: join(folder, name) };
}

function start(name: string, { words }: Work, ...more: string[]): Said {
  return processes.modicum([...words(join(name, "out")), ...more], home(name));
}

async function ended(process: Said): Promise<void> {
  if (process.exitCode === null) await once(process, "close");
  if (process.exitCode !== 0) throw new Error(process.said());
}

/** Every line, without its times. */
function linesOf(name: string, { files }: Work): string[] {
  const texts = files.map((file) =>
    readFileSync(join(folder, name, file), "utf8")
      .trim()
      .split("\n"),
  );
  return texts.flatMap((lines, i) => lines.map((line) => `${files[i]} ${JSON.stringify(timeless(JSON.parse(line)))}`));
}

function timeless({ ms: _, ...rest }: Record<string, unknown>): object {
  return rest;
}

function difference(expected: readonly string[], lines: readonly string[]) {
  const [wanted, distinct] = [new Set(expected), new Set(lines)];
  return {
    lines: expected.length,
    lost: [...wanted].filter((line) => !distinct.has(line)).length,
    twice: lines.length - distinct.size,
    otherwise: [...distinct].filter((line) => !wanted.has(line)).length,
  };
}

function writeData(): void {
  const write = (name: string, lines: readonly object[]) =>
    writeFileSync(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  const choices = ["d", "ef", "ghi"];
  write("choices.jsonl", numbers(400).map((i) => ({ prompt: `${"abc ".repeat(20 + (i % 60))}a`, choices, gold: i % 3 }))); // biome-ignore format: a file a line
  write("prompts.jsonl", numbers(150).map((i) => ({ prompt: `${"abc ".repeat(4 + (i % 9))}${String.fromCharCode(97 + (i % 26))}${i}` }))); // biome-ignore format: a file a line
  const pruned = "prune:after=1,by=recent,sinks=1,last=2,minLength=4";
  writeFileSync(join(folder, "candidates.txt"), `${pruned},keep=0.75\n${pruned},keep=0.4\nexit:layer=1\n`);
  writeFileSync(join(folder, "text.txt"), "It is the small things, done every day, that make a home. ".repeat(60));
  const architecture = {
    ...{ model_type: "llama", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
    ...{ intermediate_size: 16, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
  };
  const options = { architecture, data: "text.txt", tokens: 16, batch: 2, steps: 600, saveEvery: 20 };
  const grid = { "optimizer.lr": rates };
  const sweep = { ...options, evaluateEvery: 200, evaluateBatches: 1, grid, screen: { mode: "off" } };
  writeFileSync(join(folder, "sweep.json"), JSON.stringify(sweep));
}
