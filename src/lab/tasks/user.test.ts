import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import type { Item } from "../item.ts";
import type { Task } from "../task.ts";
import { countTokens } from "./items.testing.ts";
import { findTask } from "./registry.ts";
import { userPrompts, userTask } from "./user.ts";

const written = (...lines: unknown[]): string =>
  writeAt(
    join(tempFolder(), "own.jsonl"),
    lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""),
  );

async function itemsOf(file: string, limit?: number): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of (await userTask(file)).items({ seed: 0, limit, countTokens })) items.push(item);
  return items.sort((a, b) => Number(a.id) - Number(b.id));
}

test("prompts and answers: a text, a number or several", async () => {
  const file = written(
    { prompt: "2 + 2 =", answer: 4 },
    "",
    {
      prompt: "A poem:",
      answer: "Roses are red\nviolets are blue, and so on, and so on, and so on and so on and so on",
    },
    { prompt: "Name a colour", answer: ["red", "blue"], note: "kept by its owner" },
  );
  const task = await userTask(file);
  expect(task).toMatchObject({ name: file, kind: "generation", size: 3 });
  expect(task.metrics.map(({ name }) => name)).toEqual(["answer-match", "token-f1", "contains-answer"]);
  const [sum, poem, colour] = await itemsOf(file);
  expect(sum).toEqual({
    ...{ kind: "generation", id: "1", prompt: "2 + 2 =", answers: ["4"], stop: ["\n"], maxTokens: 32 },
  });
  // Twice the tokens of an answer of two lines.
  const lines = "Roses are red\nviolets are blue, and so on, and so on, and so on and so on and so on";
  expect(poem).toMatchObject({ id: "3", stop: [], answers: [lines], maxTokens: 2 * countTokens(lines) });
  expect(colour).toMatchObject({ id: "4", answers: ["red", "blue"] });
});

test("over chat, prompts are a user's turns, answers have room, and the quality is whether they contain the answer", async () => {
  const messages = [
    { role: "system", content: "Be short." },
    { role: "user", content: "2 + 2?" },
  ];
  const prompts = await userTask(written({ prompt: "2 + 2 =", answer: 4 }));
  const chats = await userTask(written({ messages, answer: [4, "four"] }));
  const itemOf = async (task: Pick<Task, "items"> | undefined) => {
    for await (const item of task!.items({ seed: 0, limit: undefined, countTokens })) return item;
    return undefined;
  };
  for (const task of [prompts.chat!, chats])
    expect(task.metrics.map(({ name }) => name)).toEqual(["contains-answer", "answer-match", "token-f1"]);
  const room = { kind: "generation", id: "1", stop: [], maxTokens: 128 };
  expect(await itemOf(prompts.chat)).toEqual({
    ...{ ...room, prompt: "2 + 2 =", messages: [{ role: "user", content: "2 + 2 =" }], answers: ["4"] },
  });
  expect(await itemOf(chats)).toEqual({
    ...{ ...room, prompt: "system: Be short.\n\nuser: 2 + 2?", messages, answers: ["4", "four"] },
  });
  expect(chats.chat).toBeUndefined();
  const named = await userTask(`${written({ prompt: "a", answer: "b" })},metric=rouge-l`);
  expect(named.chat!.metrics[0].name).toBe("rouge-l");
});

test.each([
  [[{ messages: [], answer: 4 }], 'line 1: field "messages": expected a turn, got an empty list'],
  [[{ messages: [{ role: "assistant", content: "4" }], answer: 4 }], "expected another turn before the assistant's"],
  [[{ messages: [{ role: "user" }], answer: 4 }], "expected a text"],
  [
    [
      { prompt: "a", answer: "b" },
      { messages: [{ role: "user", content: "a" }], answer: "b" },
    ],
    'line 2: this item has "messages", the ones before it have an "answer"; expected one kind',
  ],
])("invalid messages are reported with their line: %j", async (rows, sentence) => {
  await expect(userTask(written(...rows))).rejects.toThrow(sentence);
});

test("prompts and choices, each after a space unless there is one", async () => {
  const file = written(
    { prompt: "The sky is", choices: ["blue", " green"], gold: 0 },
    { prompt: "Q: 1+1\nA: ", choices: [2, 3], gold: 1 },
  );
  expect(await userTask(file)).toMatchObject({ kind: "choice", size: 2 });
  expect(await itemsOf(file)).toEqual([
    {
      ...{ kind: "choice", id: "1", gold: 0 },
      choices: [
        { context: "The sky is", continuation: " blue" },
        { context: "The sky is", continuation: " green" },
      ],
    },
    {
      ...{ kind: "choice", id: "2", gold: 1 },
      choices: [
        { context: "Q: 1+1\nA: ", continuation: "2" },
        { context: "Q: 1+1\nA: ", continuation: "3" },
      ],
    },
  ]);
});

describe("a user's choice of metric", () => {
  const names = async (spec: string) => (await userTask(spec)).metrics.map(({ name }) => name);

  test("comes first, and is part of the task's name", async () => {
    const texts = written({ prompt: "a", answer: "b" });
    expect(await names(`${texts},metric=rouge-l`)).toEqual(["rouge-l", "answer-match", "token-f1", "contains-answer"]);
    expect(await names(`${texts},metric=token-f1`)).toEqual(["token-f1", "answer-match", "contains-answer"]);
    expect((await findTask(`${texts},metric=rouge-l`)).name).toBe(`${texts},metric=rouge-l`);
    expect(await itemsOf(`${texts},metric=rouge-l`)).toMatchObject([{ answers: ["b"] }]);
    const choices = written({ prompt: "a", choices: ["b", "c"], gold: 0 });
    expect(await names(`${choices},metric=accuracy-normalised`)).toEqual(["accuracy-normalised", "accuracy"]);
  });

  test("that is unknown is refused with the nearest", async () => {
    const texts = written({ prompt: "a", answer: "b" });
    await expect(userTask(`${texts},metric=rouge`)).rejects.toThrow(
      'there is no metric "rouge" for such items; did you mean "rouge-l"?',
    );
    await expect(userTask(`${texts},metric=accuracy`)).rejects.toThrow(
      /no metric "accuracy" for such items; the metrics are /,
    );
    await expect(userTask(`${texts},metrik=bleu`)).rejects.toThrow(
      'there is no option "metrik"; did you mean "metric"?',
    );
  });
});

test("a CSV with the columns prompt and answer is accepted", async () => {
  const file = writeAt(join(tempFolder(), "own.csv"), "prompt,answer\nOne and one?,2\n");
  expect(await itemsOf(file)).toMatchObject([{ id: "2", prompt: "One and one?", answers: ["2"] }]);
});

test("a CSV has choices as a JSON list", async () => {
  const file = writeAt(join(tempFolder(), "own.csv"), 'prompt,choices,gold\nThe sky is,"[""blue"", 7]",0\n');
  expect(await itemsOf(file)).toMatchObject([
    { kind: "choice", gold: 0, choices: [{ continuation: " blue" }, { continuation: " 7" }] },
  ]);
});

test("a table's cell has several answers as a JSON list of texts; one of numbers is an answer", async () => {
  const rows = 'prompt,answer\nWho?,"[""Ann"", ""Anne""]"\nFrom where to where?,"[0, 1]"\nWhat?,[sic]\n';
  const items = await itemsOf(writeAt(join(tempFolder(), "own.csv"), rows));
  expect(items).toMatchObject([{ answers: ["Ann", "Anne"] }, { answers: ["[0, 1]"] }, { answers: ["[sic]"] }]);
  const [text] = await itemsOf(written({ prompt: "Who?", answer: '["Ann"]' }));
  expect(text).toMatchObject({ answers: ['["Ann"]'] });
});

test("a CSV without a heading is reported with the line taken for one", async () => {
  const file = writeAt(join(tempFolder(), "own.csv"), "One and one?,2\nTwo and two?,4\n");
  await expect(userTask(file)).rejects.toThrow(
    'line 2: this item has neither an "answer" nor "choices", only "2", "One and one?"',
  );
});

test("a limit takes some, determined by the seed", async () => {
  const file = written(...Array.from({ length: 30 }, (_, i) => ({ prompt: `${i}?`, answer: i })));
  const some = await itemsOf(file, 5);
  expect(some.length).toBe(5);
  expect(await itemsOf(file, 5)).toEqual(some);
});

describe("refused, with the line's number", () => {
  const fine = { prompt: "a", answer: "b" };
  const choice = { prompt: "a", choices: ["b", "c"], gold: 0 };

  test.each<[string, unknown[], string]>([
    ["no JSON", [fine, '{"prompt": "a"'], "line 2: this is not JSON ("],
    ["no answer", [fine, "", { prompt: "a" }], 'line 3: this item has neither an "answer" nor "choices"'],
    [
      "both",
      [{ ...fine, ...choice }],
      `line 1: expected an "answer", or "choices" with the index of the correct choice as "gold"`,
    ],
    ["no object", [[1]], 'line 1: expected an object with a "prompt" and an "answer" or "choices"'],
    ["no prompt", [{ answer: "b" }], 'line 1: field "prompt": expected a text; found no such field, only "answer"'],
    ["an empty prompt", [{ prompt: "", answer: "b" }], 'line 1: field "prompt": expected a text, got an empty one'],
    [
      "an answer of another kind",
      [fine, { prompt: "a", answer: {} }],
      'line 2: field "answer": expected a text, a number or a list of them',
    ],
    ["no answers", [{ prompt: "a", answer: [] }], 'line 1: field "answer": expected an answer, got an empty list'],
    [
      "an empty answer",
      [{ prompt: "a", answer: " " }],
      'line 1: field "answer": expected a text or a number, got an empty text',
    ],
    [
      "an empty choice",
      [{ ...choice, choices: ["b", ""] }],
      'line 1: field "choices.1": expected a text or a number, got an empty text',
    ],
    [
      "a null answer",
      [{ prompt: "a", answer: null }],
      'line 1: field "answer": expected a text, a number or a list of them',
    ],
    [
      "mixed kinds",
      [fine, fine, choice],
      'line 3: this item has "choices", the ones before it have an "answer"; expected one kind',
    ],
    [
      "equal choices",
      [choice, { ...choice, choices: ["b", "c", " b"] }],
      'line 2: field "choices": expected choices that differ, got "b" twice',
    ],
    [
      "one choice",
      [choice, { ...choice, choices: ["b"] }],
      'line 2: field "choices": expected two choices or more, got ["b"]',
    ],
    [
      "choices of another kind",
      [{ ...choice, choices: "bc" }],
      'line 1: field "choices": expected a list of texts, got "bc"',
    ],
    ["gold outside", [choice, { ...choice, gold: 2 }], 'line 2: field "gold": expected an index from 0 to 1, got 2'],
    ["gold below", [{ ...choice, gold: -1 }], 'line 1: field "gold": expected an index from 0 to 1, got -1'],
    [
      "no gold",
      [{ prompt: "a", choices: ["b", "c"] }],
      'line 1: field "gold": expected the index of the correct choice, counted from 0',
    ],
    [
      "gold as text",
      [{ ...choice, gold: "b" }],
      'line 1: field "gold": expected the index of the correct choice, counted from 0',
    ],
  ])("%s", async (_name, lines, message) => {
    const file = written(...lines);
    await expect(userTask(file)).rejects.toThrow(`${file}: ${message}`);
  });

  test("nothing", async () => {
    const file = written("", "  ");
    await expect(userTask(file)).rejects.toThrow(`${file}: there are no items in it`);
  });
});

describe("prompts for tuning", () => {
  test("with answers or alone, as texts or turns, some in groups", async () => {
    const messages = [{ role: "user", content: "2 + 2?" }];
    const alone = await userPrompts(written({ prompt: "a" }, { messages, group: 7 }));
    expect(alone).toEqual({
      prompts: [
        { prompt: "a", answers: [], group: undefined },
        { prompt: messages, answers: [], group: "7" },
      ],
      metrics: undefined,
    });
    const { prompts, metrics } = await userPrompts(`${written({ prompt: "a", answer: [1, "b"] })},metric=exact-match`);
    expect(prompts).toEqual([{ prompt: "a", answers: ["1", "b"], group: undefined }]);
    expect(metrics![0].name).toBe("exact-match");
  });

  test.each([
    [[{ prompt: "a" }, { prompt: "" }], /line 2: field "prompt": expected a text, got an empty one/],
    [[{ prompt: "a" }, { text: "b" }], /line 2: expected a "prompt" or "messages", only "text"/],
    [[{ prompt: "a" }, { prompt: "b", answer: "c" }], /line 2: .* "answer", the ones before it have none/],
    [[{ prompt: "a", choices: ["b", "c"], gold: 0 }], /line 1: "choices" are scored, not generated/],
    [["[1]"], /line 1: expected an object with a "prompt" or "messages"/],
    [[], /there are no items in it/],
  ])("%j is refused in one sentence", async (rows, sentence) => {
    await expect(userPrompts(written(...rows))).rejects.toThrow(sentence);
  });

  test("a metric needs answers", async () => {
    await expect(userPrompts(`${written({ prompt: "a" })},metric=rouge-l`)).rejects.toThrow("a metric needs answers");
  });
});
