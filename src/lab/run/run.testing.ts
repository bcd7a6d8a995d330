/** A small task on a tiny model, for tests of runs. */
import { fileURLToPath } from "node:url";
import { accuracy, accuracyNormalised, exactMatch } from "../metrics/index.ts";
import type { Task } from "../task.ts";

export const TINY = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));

/** Questions with three choices each; texts of different lengths, in the tiny model's few letters. */
export const choiceTask = (count: number, name = "letters"): Task => ({
  name,
  summary: "letters after letters",
  kind: "choice",
  source: "made here",
  size: count,
  metrics: [accuracy, accuracyNormalised],
  async *items({ limit = count }) {
    for (let i = 0; i < Math.min(limit, count); i++) {
      const context = "abc ".repeat(1 + (i % 5)) + String.fromCharCode(97 + (i % 26));
      const choices = [" d", " efg", ` ${"h".repeat(1 + (i % 3))}`].map((continuation) => ({ context, continuation }));
      yield { kind: "choice", id: `q${i}`, choices, gold: i % 3 };
    }
  },
});

/** Prompts of different lengths, with answers of different lengths. */
export const textTask = (count: number): Task => ({
  name: "words",
  summary: "words after words",
  kind: "generation",
  source: "made here",
  size: count,
  metrics: [exactMatch],
  async *items() {
    for (let i = 0; i < count; i++) {
      const prompt = `${"abc ".repeat(1 + (i % 4))}${String.fromCharCode(97 + i)}`;
      yield { kind: "generation", id: `w${i}`, prompt, stop: ["e"], maxTokens: 4 + ((3 * i) % 9), answers: ["x"] };
    }
  },
});
