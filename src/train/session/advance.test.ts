import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { trainOptions } from "../options.ts";
import { Advance } from "./advance.ts";
import { readMetrics } from "./metrics.ts";
import { openFolder } from "./run-folder.ts";
import type { Session } from "./session.ts";
import type { Stage } from "./stage.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-advance-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A stage whose steps each double and increase a number, so that the result reveals a missing or repeated step. */
function counting(name: string, steps: number, from: number): Stage & { readonly value: number } {
  const values = Float32Array.of(from);
  return {
    ...{ name, steps, data: { hash: name }, states: { values } },
    get value() {
      return values[0]!;
    },
    async step(i, counters) {
      values[0] = (2 * values[0]! + i) % 1009;
      counters.updates++;
      return { loss: values[0], rate: 1, norm: 1, labelled: 1, tokens: 3, samples: 2 };
    },
    takeCost: () => ({ forward: 5, backward: 7, exits: 0 }),
    bill: (done) => ({ work: { [name]: { dense: done, run: done } } }),
    [Symbol.dispose]() {},
  };
}

/** Runs two stages, the second starting from the first's result; stops after step `stopAt`, counted over both. */
async function advanced(out: string, reuse: Session["reuse"], stopAt = Number.POSITIVE_INFINITY, changed = {}) {
  const session: Session = { options: trainOptions.parse({ data: "none", saveEvery: 3, ...changed }), out, reuse };
  const stop = new AbortController();
  const onStep = ({ step }: { readonly step: number }) => step === stopAt && stop.abort();
  const runFolder = await openFolder(session, undefined, stop.signal);
  const advance = new Advance(session, runFolder, { onStep }, stop.signal);
  const first = counting("first", 4, 1);
  await advance.stage(first, Number.POSITIVE_INFINITY);
  const second = counting("second", 7, first.value);
  await advance.stage(second, Number.POSITIVE_INFINITY);
  return { value: second.value, work: advance.work, losses: advance.losses };
}

const stepsIn = (out: string) => readMetrics(out).map(({ ms: _, ...report }) => report);

test.each([2, 4, 6, 9])(
  "stages that stop after step %i resume to the same end, and report each step once",
  async (at) => {
    const [whole, halved] = [path.join(folder, `whole-${at}`), path.join(folder, `halved-${at}`)];
    const all = await advanced(whole, "refuse");
    await expect(advanced(halved, "refuse", at)).rejects.toThrow();
    const resumed = await advanced(halved, "resume");
    expect(resumed.value).toBe(all.value);
    expect(resumed.losses).toEqual(all.losses);
    expect({ ...resumed.work, ms: 0 }).toEqual({ ...all.work, ms: 0 });
    expect(stepsIn(halved)).toEqual(stepsIn(whole));
  },
);

test("steps, tokens and samples count through all stages, and costs are summed", async () => {
  const out = path.join(folder, "counted");
  const { work, losses } = await advanced(out, "refuse");
  const reports = stepsIn(out);
  expect(reports.map(({ step, stage }) => [step, stage])).toEqual(
    Array.from({ length: 11 }, (_, i) => [i + 1, i < 4 ? "first" : "second"]),
  );
  expect(reports.at(-1)).toMatchObject({ steps: 11, tokens: 33, samples: 22 });
  expect([losses.first, losses.last]).toEqual([reports[0]!.loss, reports[10]!.loss]);
  expect(work).toMatchObject({ steps: 11, tokens: 33, samples: 22, bill: { overhead: 0 } });
  expect(work.backward).toBe(work.denseBackward);
  expect(work.bill!.work).toEqual({ first: { dense: 4, run: 4 }, second: { dense: 7, run: 7 } });
  expect(readdirSync(path.join(out, "checkpoints"))).toEqual(["first", "second"]);
});

test.each([
  [{ method: "sparse" }, /: a run cannot continue with a different method: "sparse", was not set$/],
  [{ seed: 5 }, /: the run was begun with different options: seed: 5, was 0; --force continues with the new ones$/],
])("a folder of another run is unchanged: %j", async (changed, message) => {
  const out = path.join(folder, `other-${Object.keys(changed)}`);
  await expect(advanced(out, "refuse", 6)).rejects.toThrow();
  const before = [readdirSync(path.join(out, "checkpoints")), stepsIn(out)];
  await expect(advanced(out, "resume", undefined, changed)).rejects.toThrow(message);
  expect([readdirSync(path.join(out, "checkpoints")), stepsIn(out)]).toEqual(before);
});
