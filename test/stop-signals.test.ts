/**
 * Work stopped by SIGINT, SIGTERM and SIGHUP: what it stores, what stderr and the exit status say, and that it can
 * resume.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { latestState } from "../src/train/checkpoint/state.ts";
import { tinyChatModel } from "../src/train/methods/preferences/tiny-model.testing.ts";
import { type Call, modicum, root } from "./program.testing.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-signals-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);
const env = { MODICUM_HOME: file("home") };

const signals = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const;

/** Sends a signal once stdout or stderr shows `interruptAt`; expects its status, and the hint as the last line of stderr. */
async function stopped(
  words: readonly string[],
  [signal, status]: (typeof signals)[number],
  interruptAt: RegExp,
  hint: string,
): Promise<string> {
  const call: Call = { env, interruptAt, signal };
  const ended = await modicum(words, call);
  expect({ status: ended.status, stdout: ended.stdout }, ended.stderr).toEqual({ status, stdout: "" });
  expect(ended.stderr.trimEnd().split("\n").at(-1)).toBe(`stopped; ${hint}`);
  return ended.stderr;
}

/** More steps than any test waits for. */
const training = {
  architecture: {
    ...{ model_type: "llama", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
    ...{ intermediate_size: 16, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
  },
  ...{ data: file("text.txt"), tokens: 16, batch: 2, steps: 100_000, evaluateEvery: 1, evaluateBatches: 1 },
};
writeFileSync(training.data, "It is the small things, done every day, that make a home. ".repeat(60));
writeFileSync(file("train.json"), JSON.stringify(training));
writeFileSync(file("sweep.json"), JSON.stringify({ ...training, grid: { seed: [1, 2] }, screen: { mode: "off" } }));

/** Losses by step, each with the held-out loss. */
const losses = (out: string): number[][] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ step, loss, validation }) => [step, loss, validation]);

/** The number of the first step that a process reported. */
const firstStep = (stderr: string): number => Number(/^step (\d+): training loss/m.exec(stderr)![1]);

/** The first of these losses again, as from one process. */
async function inOneProcess(expected: readonly number[][], seed = 0): Promise<number[][]> {
  const out = file(`whole-${seed}`);
  const words = ["train", file("train.json"), "--seed", String(seed), "--out", out];
  await modicum(words, {
    env,
    interruptAt: new RegExp(`^step ${expected.length}: training loss`, "m"),
    signal: "SIGKILL",
  });
  return losses(out).slice(0, expected.length);
}

describe.skipIf(process.platform === "win32")("stopped by each signal in turn", () => {
  test("a training loses no step, and resumes with the losses of one process", async () => {
    const out = file("run");
    let [words, done] = [["train", file("train.json"), "--out", out], 0];
    for (const signal of signals) {
      const at = new RegExp(`^step ${done + 3}: training loss`, "m");
      const stderr = await stopped(words, signal, at, `\`modicum train --resume ${out}\` continues it`);
      expect(firstStep(stderr)).toBe(done + 1);
      done = losses(out).length;
      expect(readdirSync(join(out, "checkpoints"))).toContain(`step-${done}`);
      words = ["train", "--resume", out];
    }
    expect(await inOneProcess(losses(out))).toEqual(losses(out));
  });

  test("a sweep loses no step, and the same command continues", async () => {
    const out = file("sweep");
    let done = 0;
    for (const signal of signals) {
      const words = ["train", "sweep", file("sweep.json"), "--out", out];
      const stderr = await stopped(
        words,
        signal,
        new RegExp(`^step ${done + 3}: training loss`, "m"),
        "repeat the command to continue",
      );
      expect(firstStep(stderr)).toBe(done + 1);
      done = losses(join(out, "seed=1")).length;
    }
    expect(await inOneProcess(losses(join(out, "seed=1")), 1)).toEqual(losses(join(out, "seed=1")));
  });

  test("an addition to an index keeps its added documents, and the same command adds the rest", async () => {
    const documents = Array.from({ length: 120_000 }, (_, i) => JSON.stringify({ id: `d${i}`, text: `word${i % 97}` }));
    writeFileSync(file("notes.jsonl"), documents.join("\n"));
    await modicum(["index", "create", "notes", "--embedding", "none"], { env });
    const words = ["index", "add", "notes", file("notes.jsonl")];
    let [added, at] = [0, /: \d+ added\n/];
    for (const signal of signals) {
      const stderr = await stopped(words, signal, at, "repeat the command to add what is missing");
      const unchanged = Number(/.*[ :](\d+) unchanged/s.exec(stderr)?.[1] ?? 0);
      expect(unchanged).toBe(added);
      added = JSON.parse((await modicum(["index", "list", "--json"], { env })).stdout)[0].documents;
      expect(added).toBeGreaterThan(unchanged);
      at = /: \d+ added, \d+ unchanged\n/;
    }
  });

  test("a training of exits resumes at its row of text or its step", async () => {
    const model = join(root, "src", "models", "fixtures", "llama-tiny.gguf");
    const texts = Array.from({ length: 12 }, (_, i) => JSON.stringify({ text: `abc def gh${" ab".repeat(3000 + i)}` }));
    writeFileSync(file("texts.jsonl"), texts.join("\n"));
    const words = [
      ...["savings", "train", "dynamax", "--model", model, "--data", file("texts.jsonl"), "--out", file("exits")],
      ...["--from", "1", "--block", "32", "--head", "adapter", "--rank", "4", "--head-epochs", "10000"],
    ];
    const rows = await stopped(words, signals[0], /^states: 10 %/m, "repeat the command to continue");
    expect(rows).toMatch(/^states: 00 %/m);
    let steps = 0;
    for (const signal of signals.slice(1)) {
      const stderr = await stopped(words, signal, /^head after layer 1: /m, "repeat the command to continue");
      expect(stderr).not.toMatch(/^states: 00 %/m);
      const before = steps;
      steps = latestState(file("exits"), "head-1")!.step;
      expect(steps).toBeGreaterThan(before);
    }
  });
});

test.each([
  ["is never settled", "return new Promise(() => {})", 2, "late: a reward's promise never settles"],
  ["fails while nobody waits", "Promise.reject(new Error('stray'))", 3, "unexpected: stray (DEBUG=modicum"],
])("a reward that %s ends a training in one sentence, with its steps stored", async (_, body, steps, sentence) => {
  const [model, out] = [mkdtempSync(join(folder, "model-")), mkdtempSync(join(folder, "rewarded-"))];
  writeFileSync(
    file("late.mjs"),
    `let calls = 0;\nexport default () => { if (++calls > 4) { ${body}; } return calls; };`,
  );
  writeFileSync(file("prompts.jsonl"), '{"prompt": "Why?"}\n');
  const words = [
    ...["train", "--model", tinyChatModel(model), "--data", file("prompts.jsonl"), "--out", out, "--tokens", "16"],
    ...["--method", `grpo:reward_funcs=${file("late.mjs")},num_generations=2`, "--batch", "2", "--steps", "9"],
  ];
  const { status, stderr } = await modicum(words, { env });
  expect({ status, stack: stderr.match(/^ +at /m) }, stderr).toEqual({ status: 1, stack: null });
  expect(stderr.match(/^error: .*$/gm)).toEqual([expect.stringContaining(sentence)]);
  expect(stderr).toContain(`modicum train --resume ${out}`);
  expect(latestState(out)!.step).toBe(steps);
});

test("a training that is killed before its first step resumes", async () => {
  const out = file("killed");
  const child = spawn(process.execPath, [join(root, "bin", "modicum.js"), "train", file("train.json"), "--out", out], {
    ...{ stdio: "ignore", env: { ...process.env, ...env } },
  });
  const ended = once(child, "exit");
  const isThere = () => existsSync(out) && readdirSync(out).some((name) => !name.endsWith(".part"));
  while (!isThere()) await setTimeout(1);
  child.kill("SIGKILL");
  await ended;
  const { stderr } = await modicum(["train", "--resume", out], {
    env,
    interruptAt: /^step 2: training loss/m,
    signal: "SIGKILL",
  });
  expect(stderr).toContain(`${out} holds no checkpoint: the run starts over`);
  expect(firstStep(stderr)).toBe(1);
});
