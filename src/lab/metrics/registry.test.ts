import { expect, test } from "vitest";
import { listTasks } from "../tasks/list.ts";
import { metricNamed } from "./registry.ts";

test("every task's metrics are found by name, so stored results can be judged again", () => {
  const names = listTasks().flatMap(({ metric, others }) => [metric, ...others]);
  expect(names.length).toBeGreaterThan(20);
  for (const name of [...names, "ndcg@3", "passes"]) expect(metricNamed(name).name).toBe(name);
});

test("an unknown metric is refused with the nearest name", () => {
  expect(() => metricNamed("acuracy")).toThrow('there is no metric "acuracy"; did you mean "accuracy"?');
  expect(() => metricNamed("ndcg@0")).toThrow(/no metric "ndcg@0"/);
});
