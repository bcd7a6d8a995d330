import { expect, test } from "vitest";
import { completeOptions } from "../complete.ts";
import { sft } from "./sft.ts";

const base = { model: "some", data: "chats.jsonl" };

test("explicit settings override a preset's", () => {
  expect(completeOptions({ ...base, method: "sft" })).toMatchObject({
    ...{ batch: 8, accumulate: 480, clip: 1, schedule: { name: "constant", warmup: 0 } },
    optimizer: { name: "adamw", lr: 2e-5, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 },
  });
  const mistral = completeOptions({ ...base, method: "sft:preset=lab-mistral", batch: 4, optimizer: { beta2: 0.99 } });
  expect(mistral).toMatchObject({ batch: 4, accumulate: 480, optimizer: { lr: 1e-6, beta2: 0.99, weightDecay: 0 } });
  expect(completeOptions({ ...base, method: "sft:preset=tulu" })).toMatchObject({
    ...{ batch: 8, accumulate: 16, optimizer: { lr: 2e-5 }, schedule: { name: "linear", warmup: 0.03, minimum: 0 } },
  });
});

test("an unknown preset gets one sentence", () => {
  expect(() => completeOptions({ ...base, method: "sft:preset=orca" })).toThrow(/^sft: preset: /);
});

test("steps shrink until an epoch has eight of them, with a notice", () => {
  const run = completeOptions({ ...base, method: "sft" });
  const dataOf = (batches: number) =>
    ({ training: { batches, samples: 8 * batches } }) as Parameters<NonNullable<typeof sft.fit>>[2];
  const options = { preset: "lab" } as const;
  const fitted = sft.fit!(options, run, dataOf(100))!;
  expect(fitted.options).toEqual({ ...run, accumulate: 12 });
  expect(fitted.notice).toBe(
    "sft: steps of 96 rows instead of 3840: there are 800 samples, and a step should use at most an eighth of them",
  );
  expect(sft.fit!(options, run, dataOf(3))!.options.accumulate).toBe(1);
  expect(sft.fit!(options, run, dataOf(8 * 480))).toBeUndefined();
});
