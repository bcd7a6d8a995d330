import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));
const tiny = fileURLToPath(new URL("../src/models/fixtures/llama-tiny.gguf", import.meta.url));
/** Enough items that a run is still active when a busy machine stops it. */
const ITEMS = 220;
const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-cli-"));
const task = path.join(folder, "mine.jsonl");
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  const item = (_: unknown, i: number) => ({
    prompt: `${"abc ".repeat(i % 60)}a`,
    choices: ["d", "ef", "ghi"],
    gold: i % 3,
  });
  writeFileSync(
    task,
    Array.from({ length: ITEMS }, item)
      .map((i) => `${JSON.stringify(i)}\n`)
      .join(""),
  );
});

/** Starts a run of the lab; `stopAfter` sends a signal once `lines` items are on disk. */
function lab(out: string, words: readonly string[], stopAfter?: { lines: number; signal: NodeJS.Signals }) {
  const child = spawn(process.execPath, [bin, "lab", "run", "--model", tiny, "--task", task, "--out", out, ...words]);
  const output = { out: "", err: "" };
  child.stdout.on("data", (data) => (output.out += data));
  child.stderr.on("data", (data) => (output.err += data));
  const looking = setInterval(() => {
    if (stopAfter === undefined || lines(out).length < stopAfter.lines) return;
    child.kill(stopAfter.signal);
    clearInterval(looking);
  }, 2);
  return new Promise<typeof output & { code: number | null; signal: string | null }>((resolve) => {
    child.on("close", (code, signal) => {
      clearInterval(looking);
      resolve({ ...output, code, signal });
    });
  });
}

function lines(out: string): string[] {
  try {
    return readFileSync(path.join(out, "results.jsonl"), "utf8").split("\n").slice(0, -1);
  } catch {
    return [];
  }
}

/** The results without timings and without the command. */
function lasting(out: string): unknown {
  const { created, command, recipes, ...rest } = JSON.parse(readFileSync(path.join(out, "summary.json"), "utf8"));
  return { ...rest, recipes: recipes.map(({ ms_per_item: _, ...recipe }: { ms_per_item: number }) => recipe) };
}

test("killed at several points and resumed, a run answers no item twice and returns the same summary; also stopped by a signal", async () => {
  const [whole, part] = [path.join(folder, "whole"), path.join(folder, "part")];
  const words = ["--recipe", "xattention:threshold=0.9"];
  expect(await lab(whole, words)).toMatchObject({ code: 0, out: expect.stringContaining("xattention:threshold=0.9 ") });
  for (const at of [1, ITEMS + 10])
    expect(await lab(part, [...words, "--resume"], { lines: at, signal: "SIGKILL" })).toMatchObject({
      signal: "SIGKILL",
    });
  const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const [i, signal] of (Object.keys(signals) as (keyof typeof signals)[]).entries()) {
    const stopped = await lab(part, [...words, "--resume"], { lines: ITEMS + 20 + 30 * i, signal });
    const err = expect.stringMatching(/stopped; `modicum lab run .* --resume` continues it\n$/);
    expect(stopped).toMatchObject({ code: signals[signal], out: "", err });
  }
  expect(lines(part).length).toBeLessThan(2 * ITEMS);
  const last = await lab(part, [...words, "--resume", "--json"]);
  const [summary] = JSON.parse(last.out).summaries;
  expect(summary).toMatchObject({ items: ITEMS, limit: null, truncate: null, rows: 1 });
  expect(summary.command).toMatch(/--json$/);
  expect(summary.command).not.toContain("--resume");
  expect(lasting(part)).toEqual(lasting(whole));
  const done = lines(part).map((line) => JSON.parse(line));
  expect(new Set(done.map((r) => `${r.recipe} ${r.item}`)).size).toBe(done.length);
  expect(done.length).toBe(2 * ITEMS);
}, 300_000);

test("usage errors are reported before a model is looked up", async () => {
  const words = (more: readonly string[]) => lab(path.join(folder, "none"), ["--model", "nowhere", ...more]);
  const clash = await words(["--recipe", "xattention xattention"]);
  expect(clash).toMatchObject({ code: 2, err: expect.stringMatching(/^error: xattention is given twice/) });
  const typo = await words(["--search", "xattention:tresh=1..2"]);
  expect(typo).toMatchObject({ code: 2, err: expect.stringMatching(/^error: xattention: there is no option "tresh"/) });
});

test.skipIf(process.platform !== "linux")(
  "a full disk is one sentence; answers are kept, and the run resumes once there is room",
  async () => {
    const out = path.join(folder, "full");
    const words = [process.execPath, bin, "lab", "run", "--model", tiny, "--task", task, "--out", out];
    // Files are limited to 16 kB.
    const limited = spawnSync("sh", ["-c", `ulimit -f 32; exec "$@"`, "sh", ...words], { encoding: "utf8" });
    expect(limited.status).toBe(1);
    expect(limited.stderr).toMatch(
      /error: cannot write .*results\.jsonl: the file would be larger than this process or disk allows\n$/,
    );
    const count = lines(out).length;
    expect(count).toBeGreaterThan(10);
    expect(await lab(out, ["--resume"])).toMatchObject({ code: 0 });
    expect(lines(out)).toHaveLength(ITEMS);
  },
  120_000,
);
