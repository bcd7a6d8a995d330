import { describe, expect, test } from "vitest";
import { type DefaultChange, defaultChanges, oldestDefaults } from "./default-changes.ts";
import { leastOptions } from "./examples.testing.ts";
import { savings } from "./registry.ts";
import type { Saving } from "./saving.ts";

/** The defaults of a saving's options, as a recipe writes them. */
function defaultsOf(saving: Saving): [option: string, value: string][] {
  const least = leastOptions(saving);
  return Object.entries(saving.options.parse(least) as object).flatMap(([option, value]) =>
    value === undefined || Object.hasOwn(least, option) ? [] : [[option, String(value)] as [string, string]],
  );
}

const changesOf = (saving: string, option: string): DefaultChange[] =>
  defaultChanges.filter((change) => change.saving === saving && change.option === option);

describe("the changes of defaults", () => {
  test.each(defaultChanges)("$saving's $option from $before to $now: both are values of it", (change) => {
    const { options } = savings.find(({ name }) => name === change.saving)!;
    for (const value of [change.before, change.now])
      expect(options.parse({ [change.option]: value })).toHaveProperty(change.option);
  });

  // The first defaults of each saving; if one differs from today's, the list of changes must explain it.
  test.each(savings)("lead from the first defaults to today's: $name", async (saving) => {
    const firsts = defaultsOf(saving).map(([option, value]) => {
      const changes = changesOf(saving.name, option);
      const [first, ...later] = [...changes.map(({ before }) => before), value];
      expect(changes.map(({ now }) => now)).toEqual(later);
      return [option, first];
    });
    const record = `${JSON.stringify(Object.fromEntries(firsts.sort()), null, 2)}\n`;
    await expect(record).toMatchFileSnapshot(`__snapshots__/${saving.name}.json`);
  });

  test("of one option twice: the oldest default counts", () => {
    const change = { version: "1.0.0", saving: "a", option: "x", before: "1", now: "2", reason: "" };
    const later = { ...change, before: "2", now: "3" };
    const others = [
      { ...change, option: "y" },
      { ...change, saving: "b" },
    ];
    expect(oldestDefaults("a", [change, ...others, later])).toEqual([change, others[0]]);
  });
});
