import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { resumeTraining, train } from "../../../index.ts";
import { fromFolder, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { readSources, sourceOf } from "../../data/source.ts";
import { trainOptions } from "../../options.ts";
import { readMetrics } from "../../session/metrics.ts";
import { parseMethod } from "../registry.ts";
import { pairData } from "./data.ts";
import { readJudged } from "./rows.ts";
import { tinyChatModel } from "./tiny-model.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-preferences-"));
const model = tinyChatModel(folder);
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(rows: readonly object[]): string {
  const file = path.join(mkdtempSync(path.join(folder, "data-")), "rows.jsonl");
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return file;
}

const pairs = ["cat", "dog", "cow", "hen", "pig"].map((name) => ({
  ...{
    prompt: `Name ${name}. `,
    chosen: `the ${name}`,
    rejected: `${name.toUpperCase()}, A FINE ${name.toUpperCase()}`,
  },
}));
const run = { model, batch: 2, tokens: 40, steps: 6, validation: 0.2, evaluateEvery: 3, optimizer: { lr: 0.02 } };
const at = (name: string) => path.join(folder, name);

test("a stopped run resumes to the same figures: its reference is the model before the first step", async () => {
  const options = { ...run, data: fileOf(pairs), method: "dpo" };
  const whole = await train(options, { out: at("whole") });
  const stop = new AbortController();
  const onStep = ({ step }: { step: number }) => step === 4 && stop.abort();
  await expect(train(options, { out: at("halves"), signal: stop.signal, onStep })).rejects.toThrow();
  await resumeTraining(at("halves"));
  const figures = (out: string) =>
    readMetrics(at(out)).map(({ loss, norm, metrics, validation, accuracy }) => [
      loss,
      norm,
      metrics,
      validation,
      accuracy,
    ]);
  expect(figures("halves")).toEqual(figures("whole"));
  const [first, last] = [readMetrics(at("whole"))[0]!, readMetrics(at("whole")).at(-1)!];
  expect(first.loss).toBeCloseTo(Math.log(2), 6);
  expect(first.metrics).toMatchObject({ "rewards/chosen": 0, "rewards/margins": 0, "rewards/accuracies": 0 });
  expect(last.metrics!["rewards/margins"]).toBeGreaterThan(0.1);
  expect(last).toMatchObject({ accuracy: 1 });
  expect(whole.receipt).toMatchObject({ method: "dpo", samples: 12, prompts: { prompt: "raw" } });
});

test("an adapter to start from is the reference", async () => {
  const options = { ...run, data: fileOf(pairs), method: "dpo", start: at("whole"), steps: 1 };
  await train(options, { out: at("further") });
  expect(readMetrics(at("further"))[0]!.loss).toBeCloseTo(Math.log(2), 6);
});

const turn = (role: string, content: string) => ({ role, content });

test("only completions have labels, also behind an assistant's turn in the prompt; a shared beginning is a prompt", () => {
  const prompt = [turn("user", "Hi"), turn("assistant", "yes"), turn("user", "why")];
  const [chosen, rejected] = [[turn("assistant", "so")], [turn("assistant", "NO")]];
  const tokenizer = new Tokenizer(fromFolder(model));
  const batchOf = (row: object) => {
    const file = fileOf([row]);
    const options = trainOptions.parse({ ...run, data: file, batch: 1 });
    const files = { files: [sourceOf(file)], validation: 0 };
    const { compared, ...batch } = pairData(
      "answers",
      { options, tokenizer, denoiser: undefined },
      files,
    ).training.batch(0);
    return { ...batch, samples: compared!.samples };
  };
  const batch = batchOf({ prompt, chosen, rejected });
  const textOf = (row: number) => {
    const labels = batch.labels.subarray(40 * row, 40 * (row + 1)).filter((label) => label >= 0);
    return Array.from(labels, (id) => tokenizer.text(id)).join("");
  };
  expect([textOf(0), textOf(1)]).toEqual(["so</s>", "NO</s>"]);
  expect(batchOf({ chosen: [...prompt, ...chosen], rejected: [...prompt, ...rejected] })).toEqual(batch);
});

const good = { prompt: "p", chosen: "a", rejected: "b" };
const equal = '"chosen" and "rejected" are equal; expected two different completions';
test.each([
  ["dpo", { ...good, rejected: "a" }, equal],
  [
    "dpo",
    { prompt: "p", chosen: [turn("assistant", "a")], rejected: [turn("assistant", "a")] },
    '"prompt": expected array, got "p"',
  ],
  ["dpo", { chosen: [turn("user", "a")], rejected: [turn("user", "a")] }, equal],
  ["simpo", { ...good, chosen: " " }, '"chosen" is empty; expected a completion'],
  ["orpo", { prompt: "p", chosen: "a" }, '"rejected": expected string'],
  [
    "dpo",
    { chosen: [turn("user", "a")], rejected: [turn("user", "b")] },
    'expected "prompt", or "chosen" and "rejected" that',
  ],
  ["kto", { prompt: "p", completion: "a", label: "yes" }, '"label": expected true or false, got "yes"'],
  ["kto", { prompt: "p", completion: "", label: true }, '"completion" is empty; expected a completion'],
])("%s: %j gets one sentence with its line", async (method, row, sentence) => {
  const valid = method === "kto" ? { prompt: "p", completion: "a", label: true } : good;
  const data = fileOf([valid, row]);
  const begun = train({ ...run, data, method }, { out: at("refused") });
  await expect(begun).rejects.toThrow(`${data}: line 2: ${sentence}`);
});

test("a label in a table of texts is true or false", async () => {
  const file = path.join(folder, "judged.csv");
  writeFileSync(file, "prompt,completion,label\np,a,true\np,b,False\n");
  expect(readJudged(await readSources([file])).map(({ label }) => label)).toEqual([true, false]);
});

test("options that do not fit are refused", async () => {
  const begun = (options: object) =>
    train({ ...run, data: fileOf(pairs), method: "dpo", ...options }, { out: at("no") });
  await expect(begun({ packing: true })).rejects.toThrow("packing: a row holds one completion; omit packing");
  await expect(begun({ labels: "all" })).rejects.toThrow(
    "labels: preference methods always train on completions; omit labels",
  );
  const chat = { prompt: [turn("user", "p")], completion: [turn("assistant", "a")], label: true };
  const mixed = fileOf([chat, { prompt: "p", completion: "a", label: false }]);
  await expect(begun({ data: mixed, method: "kto" })).rejects.toThrow("expected the prompt and completions to be all");
  const empty = fileOf([]);
  await expect(begun({ data: empty })).rejects.toThrow(`${empty}: the file has no rows`);
  await expect(train({ ...run, data: fileOf(pairs) }, { out: empty })).rejects.toThrow(
    `cannot write ${empty}: a file is in the way`,
  );
  expect(() => parseMethod("dpo:beta=-1")).toThrow("dpo: beta: must be more than 0 (got -1)");
  expect(() => parseMethod("kto:beta=high")).toThrow('kto: beta: expected number, got "high"');
  await expect(begun({ tokens: 4 })).rejects.toThrow("no sample with a completion fits into a row of 4 tokens");
  expect(() => parseMethod("dpo:label_smoothing=0.1")).toThrow(
    /label_smoothing.*expected 0 unless loss_type is robust/,
  );
  expect(() => parseMethod("dpo:loss_type=hinge")).toThrow("expected one of sigmoid, ipo, robust");
});
