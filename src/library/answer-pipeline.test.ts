import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { calibrateAnswers, createIndex, load, openAnswerer } from "../index.ts";
import { readGates } from "../pipelines/answer/gate/artefact.ts";
import { keepJson } from "../util/write-whole.ts";

const MODEL = fileURLToPath(new URL("../models/fixtures/llama-tiny.gguf", import.meta.url));
const home = mkdtempSync(path.join(tmpdir(), "modicum-answerer-"));
const before = process.env["MODICUM_HOME"];
const SHORT = { maxTokens: 4, temperature: 0 };
const QUESTION = "apples?";

beforeAll(async () => {
  process.env["MODICUM_HOME"] = home;
  await using index = await createIndex("notes", { embedding: "none" });
  await index.add([
    { id: "a", title: "Fruit", text: "Apples grow on trees." },
    { id: "b", text: "The train is late." },
  ]);
});
afterAll(() => {
  if (before === undefined) delete process.env["MODICUM_HOME"];
  else process.env["MODICUM_HOME"] = before;
  rmSync(home, { recursive: true });
});

const answered = async (answer: object) => {
  await using answerer = await openAnswerer(MODEL, { index: "notes", answer });
  return await answerer.answer(QUESTION, SHORT);
};

describe("openAnswerer", () => {
  test("a threshold below all scores answers as always, one above all as never, to the last token", async () => {
    const [always, never] = [await answered({ retrieval: "always" }), await answered({ retrieval: "never" })];
    expect([always.retrieved, never.retrieved]).toEqual([true, false]);
    expect(always.documents.map(({ id }) => id)).toEqual(["a"]);
    const [low, high] = [
      await answered({ gate: "margin", threshold: 0 }),
      await answered({ gate: "margin", threshold: 1.1 }),
    ];
    expect(low.tokens).toEqual(always.tokens);
    expect(high.tokens).toEqual(never.tokens);
  });

  test("retrieval in one call acts as in a pipeline opened with it, and is billed the same", async () => {
    await using answerer = await openAnswerer(MODEL, { index: "notes", answer: { gate: "margin", threshold: 0 } });
    for (const retrieval of ["always", "never"] as const) {
      const [here, own] = [
        await answerer.answer(QUESTION, { ...SHORT, retrieval }),
        await answered({ retrieval }),
      ] as const;
      expect([here.retrieved, here.tokens, here.receipt.recipe]).toEqual([
        own.retrieved,
        own.tokens,
        own.receipt.recipe,
      ]);
    }
    expect(await answerer.answer(QUESTION, SHORT)).toMatchObject({ retrieved: true, retrieval: { method: "margin" } });
  });

  test("auto in one call uses the model's gate; without one it looks everything up, and says so once", async () => {
    const notices: string[] = [];
    await using answerer = await openAnswerer(MODEL, {
      ...{ index: "notes", answer: { retrieval: "never" }, onNotice: (notice) => notices.push(notice) },
    });
    expect(notices).toEqual([]);
    for (let i = 0; i < 2; i++)
      expect((await answerer.answer(QUESTION, { ...SHORT, retrieval: "auto" })).retrieved).toBe(true);
    expect(notices).toEqual([
      expect.stringMatching(/has no calibrated gate, so retrieval=auto looks up every question/),
    ]);
  });

  test("retrieval in one call without an index, or of an unknown kind, is one sentence", async () => {
    await using answerer = await openAnswerer(MODEL, { answer: { retrieval: "never" } });
    const answerBy = (retrieval: string) => answerer.answer(QUESTION, { ...SHORT, retrieval: retrieval as "auto" });
    await expect(answerBy("always")).rejects.toThrow("retrieval always needs an index; name one");
    await expect(answerBy("often")).rejects.toThrow(/^answer's options\.retrieval: expected .*, got "often"$/);
  });

  test("a plain answer's price of always retrieving equals that receipt", async () => {
    const [always, never] = [await answered({ retrieval: "always" }), await answered({ retrieval: "never" })];
    expect(never.receipt.estimated).toBe(true);
    // The average passage in the index has half as many terms as the passage found.
    expect(never.receipt.flops.dense / always.receipt.flops.dense).toBeGreaterThan(0.5);
    expect(never.receipt.flops.dense / always.receipt.flops.dense).toBeLessThan(2);
  });

  test.each([
    [{ answer: { retrieval: "always" as const } }, 'needs an index; name one, or choose "never"'],
    [{ index: "note" }, 'there is no index note; did you mean "notes"?'],
    [{ index: "notes", answer: { gate: "classifier" as const } }, "no calibrated classifier gate"],
    [{ index: "notes", answer: { targetRate: 0.3 } }, "has no calibrated gate; `modicum"],
    [{ index: "notes", answer: { threshold: 1, targetRate: 0.3 } }, "expected a threshold or a targetRate, got both"],
  ])("refuses %j", async (options, sentence) => {
    await expect(openAnswerer(MODEL, options)).rejects.toThrow(sentence);
  });

  test("without a calibrated gate, auto is always, and names the command that calibrates", async () => {
    const notices: string[] = [];
    await using answerer = await openAnswerer(MODEL, { index: "notes", onNotice: (notice) => notices.push(notice) });
    expect(answerer.gate).toEqual({ method: "always", threshold: 1 });
    expect(notices).toEqual([
      expect.stringMatching(
        /has no calibrated gate, so retrieval=auto looks up every question; `modicum answer calibrate --model /,
      ),
    ]);
  });
});

describe("calibrateAnswers", () => {
  const rows = ["apples?", "trains?", "late?", "trees?"].map((question) => ({ question, answers: ["x"] }));
  // Judges by length, so that some answers are right and others wrong.
  const judge = (text: string) => text.length % 2;

  test("stores a threshold that answers find, other rates follow from its scores, and another model is refused", async () => {
    const { file, gates } = await calibrateAnswers(MODEL, rows, {
      ...{ index: "notes", judge, gate: ["margin", "entropy"], rate: 0.5, maxTokens: 2 },
    });
    expect(gates[0]!.measured.rate).toBe(0.5);
    await using answerer = await openAnswerer(MODEL, { index: "notes" });
    expect(answerer.gate).toMatchObject({ method: "margin", threshold: gates[0]!.threshold });
    await using all = await openAnswerer(MODEL, { index: "notes", answer: { gate: "entropy", targetRate: 1 } });
    expect(all.gate.threshold).toBeLessThan(Math.min(...gates[1]!.scores!));
    const gateFile = readGates(file);
    const other = path.join(home, "other.json");
    await keepJson(other, { ...gateFile, model: { ...gateFile.model, name: "other", sha256: "0".repeat(64) } });
    await expect(openAnswerer(MODEL, { index: "notes", calibration: other })).rejects.toThrow(
      /was made for other \(0{12}\), but the model is .*llama-tiny\.gguf/,
    );
  });
});

test("dispose frees the model", async () => {
  const answerer = await openAnswerer(MODEL, { answer: { retrieval: "never" } });
  await answerer.dispose();
  await expect(answerer.answer(QUESTION, SHORT)).rejects.toThrow("after it was disposed");
});

test("a single question comes with an instruction, and the model answers it as its own prompt", async () => {
  await using answerer = await openAnswerer(MODEL, { answer: { retrieval: "never" } });
  using model = await load(MODEL);
  const { text } = await answerer.answer(QUESTION, SHORT);
  const prompt = `Answer the question in a few words.\n\n${QUESTION}\nAnswer:`;
  expect(text).toBe((await model.complete(prompt, SHORT)).text);
});
