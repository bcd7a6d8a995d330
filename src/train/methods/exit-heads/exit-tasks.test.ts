import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { train } from "../../../library/train.ts";
import { exitsFile, exitsJson, exitsTensors } from "../../../savings/depth/exits/artefact.ts";
import { readJson } from "../../../weights/json-file.ts";
import type { TrainInput } from "../../options.ts";
import { readMetrics } from "../../session/metrics.ts";
import type { LabTasks, WrittenModel } from "../../session/tasks.ts";
import { tinyModel } from "./tiny-model.testing.ts";

const { home, file, textsOf } = tinyModel();

/**
 * A task that reads the written exits, with the sum of their bytes as its score; `before` is called before each scoring
 * with its number, from 1.
 */
function tasksThat(before: (scoring: number) => void = () => {}) {
  const seen: (WrittenModel & { deciders: string[] })[] = [];
  const tasks = [{ name: "mine", better: "higher" as const }];
  const labTasks: LabTasks = {
    find: async () => tasks,
    open: async () => ({
      tasks,
      async score(written) {
        const { deciders } = readJson(exitsJson(written.folder), exitsFile, "exits");
        seen.push({ ...written, deciders: deciders.map(({ kind }) => kind) });
        before(seen.length);
        const quality = readFileSync(exitsTensors(written.folder)).reduce((sum, byte) => sum + byte, 0);
        return { mine: { quality, flops: 1e15 } };
      },
    }),
  };
  return { labTasks, seen };
}

const method = { name: "exit-heads", saving: "dynamax", from: 1, block: 32, decider: ["ffn", "linear"] };
const run: TrainInput = {
  method,
  ...{ model: file, quant: "f32", data: textsOf("scored"), tasks: ["mine"], best: "mine", evaluateEvery: 20 },
};
const at = (name: string) => path.join(home, name);
const scoresIn = (out: string) =>
  readMetrics(out).flatMap(({ stage, tasks }) => (tasks ? [[stage, tasks["mine"]]] : []));

test("exits are scored while their classifier is trained, and as they are written", async () => {
  const { labTasks, seen } = tasksThat();
  const scored = await train(run, { out: at("scored"), labTasks });
  const { folder } = seen[0]!;
  expect(seen.at(-1)).toEqual({
    ...{ folder, base: file, quant: "f32", deciders: ["linear"] },
    saving: { name: "dynamax", file: folder, classifier: "linear" },
  });
  expect(existsSync(folder)).toBe(false);
  const scores = scoresIn(at("scored"));
  expect(scores.length).toBeGreaterThan(2);
  expect(new Set(scores.map(([stage]) => stage))).toEqual(new Set(["linear-1"]));
  expect(new Set(scores).size).toBe(scores.length);
  expect(scored.tasks).toEqual({ mine: scores.at(-1)![1] });
  expect(scored.receipt.flops.forward).toBeGreaterThan(scores.length * 1e15);
  // Scoring does not change the trained exits.
  await train({ ...run, tasks: [], best: "loss" }, { out: at("unscored") });
  const exits = (out: string) => readFileSync(exitsTensors(at(out))).toString("hex");
  expect(exits("scored")).toBe(exits("unscored"));
});

test("a run that is stopped while its exits are scored scores them again", async () => {
  const stop = new AbortController();
  const { labTasks } = tasksThat((scoring) => {
    if (scoring === 2) stop.abort();
    stop.signal.throwIfAborted();
  });
  const call = { out: at("halved"), labTasks };
  await expect(train(run, { ...call, signal: stop.signal })).rejects.toThrow("abort");
  expect(scoresIn(at("halved"))).toHaveLength(1);
  await train(run, { ...call, labTasks: tasksThat().labTasks, reuse: "resume" });
  expect(scoresIn(at("halved"))).toEqual(scoresIn(at("scored")));
});

test("sec is scored while its controller is trained", async () => {
  const { labTasks, seen } = tasksThat();
  const sec = { name: "exit-heads", saving: "sec", head: "shared", from: 1, block: 32 };
  const { tasks } = await train({ ...run, method: sec }, { out: at("sec"), labTasks });
  expect(new Set(scoresIn(at("sec")).map(([stage]) => stage))).toEqual(new Set(["controller"]));
  expect(seen[0]!.saving).toEqual({ name: "sec", file: seen[0]!.folder });
  expect(tasks).toEqual({ mine: scoresIn(at("sec")).at(-1)![1] });
});

test.each([
  [
    { method: { ...method, saving: "sec" } },
    "tasks: sec cannot run exits with only ffn and linear deciders; omit tasks",
  ],
  [{ best: "other" }, 'best: expected loss or mine, got "other"'],
])("%j is refused before a text is read", async (changed, sentence) => {
  const { labTasks } = tasksThat();
  await expect(train({ ...run, data: "none.txt", ...changed }, { out: at("none"), labTasks })).rejects.toThrow(
    sentence,
  );
  expect(existsSync(at("none"))).toBe(false);
});
