import { expect, test } from "vitest";
import { completeOptions } from "../methods/complete.ts";
import { methods } from "../methods/registry.ts";
import { dryRun } from "./dry-run.ts";

/** Options that a method requires. */
const needed: Readonly<Record<string, object>> = {
  bridge: { localiser: "folder", labels: ["a", "b"] },
  guard: { illegal: "a.jsonl" },
  localiser: { heldOut: "a.jsonl" },
};

const noBase = () => Promise.reject(new Error("there is no base"));
const refusalOf = async (method: object): Promise<string> => {
  const options = completeOptions({ method, data: "none.jsonl", tasks: ["sciq"] });
  return dryRun(options, noBase).then(
    () => "",
    (error: Error) => error.message,
  );
};

test("a method whose stages no lab task scores refuses tasks, names the reason and its own judge", async () => {
  const unscored = methods.filter(({ stages, name }) => stages && name !== "exit-heads");
  expect(unscored.map(({ name }) => name)).toEqual(["bridge", "guard", "localiser", "noise", "pairs", "projector"]);
  const sentences = await Promise.all(unscored.map(({ name }) => refusalOf({ name, ...needed[name] })));
  expect(sentences).toEqual([
    "tasks: the lab has no task that names regions; judge a bridge by the run's losses; omit tasks",
    "tasks: the lab has no task for image generators; judge a mask by both stages' losses; omit tasks",
    "tasks: the lab has no task for localisers; each evaluation measures masks on heldOut; omit tasks",
    "tasks: the lab has no task for image generators; use the held-out loss; omit tasks",
    "tasks: the lab has no task for models of images and texts; use the run's losses; omit tasks",
    "tasks: the lab has no task for a projector in training; use the held-out loss; omit tasks",
  ]);
});
