import { expect, test, vi } from "vitest";
import { tempFolder } from "../weights/sources/helpers.testing.ts";
import { rotatedText, tunings } from "./tunings.ts";

const ms = {
  default: { step: 1.1, batch: 0.27, prompt: 0.217 },
  rotated: { step: 1, batch: 0.2, prompt: 0.1 },
};
const factors = "1.10 times as fast as the default form in a step, 1.35 in a batch of 8, 2.17 in a prompt";

test.each([
  [{ chosen: true, steady: true }, `q8r, as timed here: ${factors}; measured loss at most 0.0003 nats per token`],
  [{ chosen: false, steady: true }, `the default form, as timed here: q8r is ${factors}`],
  [
    { chosen: false, steady: false },
    "the default form; the machine was too busy to time q8r; `doctor --tune` tries again",
  ],
])("%j in words", (tuning, text) => {
  expect(rotatedText({ ...tuning, ms }, 0.0003)).toBe(text);
});

test.each([
  ["off", true, [expect.stringMatching(/^--tune does nothing, since MODICUM_TUNE=off keeps the forms/)]],
  ["off", false, []],
  ["", true, []],
])("MODICUM_TUNE=%j and --tune %s: one sentence if it does nothing", async (value, again, found) => {
  vi.stubEnv("MODICUM_HOME", tempFolder());
  vi.stubEnv("MODICUM_TUNE", value);
  expect((await tunings(again)).map((check) => check.found)).toEqual(found);
  vi.unstubAllEnvs();
});
