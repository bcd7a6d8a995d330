import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { textData } from "../data/text.ts";
import { trainOptions } from "../options.ts";
import { oldSubject } from "../subject/subject.ts";
import { TrainingRun } from "./run.ts";

const folder = path.join(import.meta.dirname, "../fixtures", "shakespeare");

test("fifty losses and gradient norms on tiny Shakespeare equal PyTorch's", async () => {
  const text = readFileSync(path.join(folder, "text.txt"), "utf8");
  const reference = JSON.parse(readFileSync(path.join(folder, "losses.json"), "utf8"));
  const characters = [...new Set(text)].sort();
  const ids = Int32Array.from(text, (character) => characters.indexOf(character));
  const options = trainOptions.parse({
    ...{ data: "text.txt", steps: 50, optimizer: { lr: 3e-3 }, schedule: { name: "cosine", warmup: 5, minimum: 0.1 } },
  });
  const data = { training: textData(ids, { rows: 4, tokens: 32 }), heldOut: undefined, hash: "" };
  using run = await TrainingRun.open(options, await oldSubject(options, openCheckpoint(folder)), data);
  const far: string[] = [];
  for (let step = 0; step < 50; step++) {
    const { loss, norm } = await run.step();
    if (Math.abs(loss - reference.losses[step]) > 1e-4)
      far.push(`loss ${step}: ${loss}, not ${reference.losses[step]}`);
    if (Math.abs(norm / reference.norms[step] - 1) > 1e-3)
      far.push(`norm ${step}: ${norm}, not ${reference.norms[step]}`);
  }
  expect(far).toEqual([]);
  expect(reference.losses.at(-1)).toBeLessThan(reference.losses[0] - 0.5);
});
