import { beforeAll, describe, expect, test } from "vitest";
import type { GenerationItem } from "../item.ts";
import { passes } from "../metrics/index.ts";
import { works } from "../sandbox/works.testing.ts";
import type { TaskOf } from "../task.ts";
import { allItems } from "./items.testing.ts";
import { findTask } from "./registry.ts";

const task = async (spec: string) => (await findTask(spec)) as TaskOf<"generation">;
const names = ({ metrics }: TaskOf<"generation">): string[] => metrics.map(({ name }) => name);

beforeAll(async () => {
  await allItems(await task("humaneval"), { limit: 1 });
}, 300_000);

test("code is judged by similarity, and nothing executed, unless a user says so", async () => {
  for (const name of ["humaneval", "mbpp", "mbpp:execute=no"])
    expect(names(await task(name))).toEqual(["edit-similarity", "bleu"]);
  await expect(task("humaneval:execute=perhaps")).rejects.toThrow('humaneval: execute: expected "yes" or "no"');
});

describe.skipIf(!works).each(["humaneval", "mbpp"])("%s executed", (name) => {
  const part = (item: GenerationItem, text: string) => passes.part(item, { text }, { text: "" })[0];

  test("the user is told what that means", async () => {
    const notices: string[] = [];
    const own = await task(`${name}:execute=yes`);
    expect(names(own)).toEqual(["passes", "edit-similarity"]);
    await allItems(own, { limit: 1, onNotice: (sentence) => notices.push(sentence) });
    expect(notices.at(-1)).toMatch(/code that the model writes is executed, .* but not from kernel bugs/);
  });

  test("the authors' solutions pass, and none that returns nothing", async () => {
    const items = await allItems(await task(`${name}:execute=yes`), { limit: 3 });
    for (const item of items) {
      expect([item.id, part(item, item.answers[0]!)]).toEqual([item.id, 1]);
      const [signature] = /def .*:/.exec(item.answers[0]!) ?? [""];
      expect([item.id, part(item, name === "mbpp" ? `${signature}\n    return None` : "    return None")]).toEqual([
        item.id,
        0,
      ]);
    }
  });
});
