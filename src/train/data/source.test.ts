import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { serveHub } from "../../weights/sources/hub.testing.ts";
import { Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteSource } from "../../weights/tokenizer/tokenizer.testing.ts";
import { type DataOptions, droppedSentence, openData } from "./open.ts";
import { recordsIn } from "./records.ts";
import { readSources } from "./source.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-source-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, contents: string | Uint8Array): string => {
  const place = path.join(folder, name);
  writeFileSync(place, contents);
  return place;
};
const fixture = (name: string) => {
  const place = path.join(folder, name);
  copyFileSync(path.join(import.meta.dirname, "../../util/data/fixtures", name), place);
  return place;
};
const recordsOf = async (name: string, templates = {}) =>
  (await readSources([name], templates)).flatMap(recordsIn).map(({ where, record }) => [path.basename(where), record]);

const PAIRS = [
  { kind: "completion", prompt: "a, b", completion: "é" },
  { kind: "completion", prompt: "c", completion: "d" },
];
const json = PAIRS.map(({ prompt, completion }) => JSON.stringify({ prompt, completion }));

test.each([
  ["a.jsonl", json.join("\n"), "line", 1],
  ["a.jsonl.gz", gzipSync(json.join("\n")), "line", 1],
  ["a.json", `[${json.join(",")}]`, "entry", 1],
  ["a.csv", 'prompt,completion\n"a, b",é\nc,d\n', "line", 2],
  ["a.tsv", "prompt\tcompletion\na, b\té\nc\td\n", "line", 2],
])("%s: records with their places", async (name, contents, unit, first) => {
  const records = await recordsOf(file(name, contents));
  expect(records.map(([, record]) => record)).toEqual(PAIRS);
  expect(records.map(([where]) => where)).toEqual([0, 1].map((i) => `${name}: ${unit} ${first + i}`));
});

test.each(["snappy.parquet", "zstd.parquet", "file.arrow", "stream.arrow"])(
  "%s through templates: texts, values inside a column, a column as it is",
  async (name) => {
    const templates = { prompt: "{answer}. {question}\n{choices.text.0}", completion: "{choices.label.1}" };
    const rows = await recordsOf(fixture("rows.jsonl"), { text: "{question}" });
    expect(rows[1]).toEqual(["rows.jsonl: line 2", { kind: "text", text: "Which is number 1? “é”" }]);
    const [source] = await readSources([fixture(name)], { text: "{question}" });
    expect(recordsIn(source!).map(({ record }) => record)).toEqual(rows.map(([, record]) => record));
    expect(recordsIn(source!)[2]!.where).toMatch(new RegExp(`${name}: row 3$`));
    await expect(readSources([fixture(name)], templates)).rejects.toThrow(
      /: row 1: columns: expected a value in the column "choices.text.0"; it has "question", "choices"/,
    );
  },
);

test("a template that is one column keeps a chat", async () => {
  const messages = [{ role: "user", content: "hi" }];
  const lines = file("chat.jsonl", JSON.stringify({ conversation: messages, id: 7 }));
  expect(await recordsOf(lines, { messages: "{conversation}" })).toEqual([
    ["chat.jsonl: line 1", { kind: "chat", messages, unmask: false }],
  ]);
});

test.each([
  [file("b.jsonl", `${json[0]}\n{`), {}, /b\.jsonl: line 2: this is not JSON/],
  [file("c.csv", "prompt,completion\nx\n"), {}, /c\.csv: .*line 2/],
  [file("d.parquet", "no"), {}, /d\.parquet: this is not a valid parquet file/],
  [file("e.txt", "text"), { text: "{a}" }, /e\.txt: a text file has no columns/],
  [file("f.jsonl", '{"question": null}'), { text: "{question}" }, /f\.jsonl: line 1: columns: .*; it is empty$/],
  [file("g.jsonl", '{"question": "x"}'), { text: "{qestion}" }, /line 1: columns: .*did you mean "question"/],
  [`${file("h.jsonl", "")}=0`, {}, /h\.jsonl=0: expected a weight above 0/],
])("bad data %#: one sentence", async (name, templates, sentence) => {
  await expect(readSources([name], templates)).rejects.toThrow(sentence);
});

test("a file of a data set on the hub", async () => {
  await serveHub({ files: { "data/train.csv": { body: Buffer.from("text\nfrom the hub\n") } } });
  const [record] = await recordsOf("hf:datasets/org/tiny:data/train.csv");
  expect(record).toEqual(["train.csv: line 2", { kind: "text", text: "from the hub" }]);
});

test("a split of a data set on the hub: all of its shards, in order", async () => {
  const csv = (text: string) => ({ body: Buffer.from(`text\n${text}\n`) });
  const shards = { "main/train-00001-of-00002.csv": csv("two"), "main/train-00000-of-00002.csv": csv("one") };
  await serveHub({
    files: { ...shards, "main/test.csv": csv("no"), "other/train.csv": csv("other"), "README.md": csv("") },
  });
  const texts = async (split: string) =>
    (await recordsOf(`hf:datasets/org/tiny:${split}`))
      .map(([, record]) => record as { text: string })
      .map(({ text }) => text);
  expect(await texts("main/train")).toEqual(["one", "two"]);
  expect(await texts("test")).toEqual(["no"]);
  await expect(texts("train")).rejects.toThrow(
    /:train: expected one split, got "main\/train", "other\/train" of "main\/t/,
  );
  await expect(texts("dev")).rejects.toThrow(/:dev: expected one split, got none of "main\/t/);
});

const tokenizer = new Tokenizer(byteSource(["</s>"], { eos: 256 }));
const usual: DataOptions = { files: [], validation: 0, tokens: 4, rows: 4, packing: false, labels: "answers" };
const textsOf = (letter: string, count: number) =>
  Array.from({ length: count }, (_, i) => JSON.stringify({ text: `${letter}${i}`.padEnd(3) })).join("\n");
const [a, b] = [file("many.jsonl", textsOf("a", 40)), file("few.jsonl", textsOf("b", 8))];

async function drawn(names: readonly string[], epochs: number, packing = false): Promise<string[]> {
  const data = openData({ ...usual, packing, files: await readSources(names, {}) }, tokenizer, 5).training;
  const batches = Array.from({ length: epochs * data.batches }, (_, i) => data.batch(i));
  return batches.flatMap(({ ids, filled }) =>
    [...filled!].flatMap((length, row) =>
      length > 0 ? [Buffer.from(ids.slice(4 * row, 4 * row + 3)).toString()] : [],
    ),
  );
}

test.each([true, false])(
  "packing %s: a mixture draws files by weight, and every sample equally often",
  async (packing) => {
    const rows = await drawn([`${a}=1`, `${b}=3`], 2, packing);
    const shares = rows.map((text) => text[0]).filter((letter) => letter === "b").length / rows.length;
    expect(shares).toBe(0.75);
    const times = Array.from({ length: 8 }, (_, i) => rows.filter((text) => text === `b${i} `).length);
    // The 8 samples of `b` give 72 of 96 draws in two epochs.
    expect(times).toEqual(Array(8).fill(9));
    expect(new Set(rows.filter((text) => text.startsWith("a"))).size).toBe(24);
    // Without weights, files are drawn in proportion to their sizes.
    expect((await drawn([a, b], 1, packing)).filter((text) => text.startsWith("b"))).toHaveLength(8);
  },
);

test("an epoch of a mixture has an order of its own, the same in every process", async () => {
  const rows = await drawn([`${a}=1`, `${b}=3`], 2);
  expect(await drawn([`${a}=1`, `${b}=3`], 2)).toEqual(rows);
  expect(rows.slice(0, 48)).not.toEqual(rows.slice(48));
});

test("weights of texts are refused", async () => {
  const files = await readSources([`${file("i.txt", "text")}=2`], {});
  expect(() => openData({ ...usual, files }, tokenizer, 0)).toThrow(/i\.txt=2: texts are read one after another/);
});

test("samples that are too long are dropped, cut at their end, or refused with their line", () => {
  const lines = ["abc", "abcdefgh"].map((text) => JSON.stringify({ text })).join("\n");
  const options = { ...usual, files: [file("long.jsonl", lines)] };
  const open = (excessLengthStrategy?: DataOptions["excessLengthStrategy"]) =>
    openData({ ...options, ...(excessLengthStrategy && { excessLengthStrategy }) }, tokenizer, 0);
  const [dropped, cut] = [open("drop"), open("truncate")];
  expect([dropped.training.samples, cut.training.samples]).toEqual([1, 2]);
  expect(droppedSentence(dropped, 4)).toBe("dropped samples: 1 longer than 4 tokens");
  expect(droppedSentence(cut, 4)).toBe("cut samples: 1 longer than 4 tokens");
  const { ids, labels } = cut.training.batch(0);
  const long = [0, 1].find((row) => ids[4 * row + 3] !== 0)!;
  expect(Buffer.from(ids.slice(4 * long, 4 * long + 4)).toString()).toBe("abcd");
  expect(Buffer.from(labels.slice(4 * long, 4 * long + 4)).toString()).toBe("bcde");
  expect(() => open("raise")).toThrow(/long\.jsonl: line 2: the sample has 8 tokens, expected at most 4$/);
});
