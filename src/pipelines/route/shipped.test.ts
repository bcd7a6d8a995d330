import { expect, test } from "vitest";
import { aliases } from "../../weights/sources/aliases.ts";
import { scoreKinds, scoreOptions } from "../scores.ts";
import { calibrationFiles, findCalibration, readCalibrations, thresholdOf } from "./record.ts";

const shipped = calibrationFiles("/nowhere");

test("the pairs of the aliases are calibrated", () => {
  const pairs = shipped
    .map((file) => readCalibrations(file))
    .map(({ swift, super: strong }) => `${swift.name}>${strong.name}`);
  expect(pairs.sort()).toEqual([
    "qwen2.5-coder>qwen2.5-coder-1.5b",
    "smollm2>qwen2.5-coder",
    "smollm2>qwen2.5-coder-1.5b",
  ]);
});

test.each(shipped)("%s is for the aliases' own files, and has a threshold for any share by any score", (file) => {
  const { swift, super: strong } = readCalibrations(file);
  // These files do not contain Super's answers.
  expect([4, 8]).toContain(swift.codes);
  for (const { name, sha256 } of [swift, strong]) expect(sha256).toBe(aliases[name]!.files[0]!.sha256);
  for (const score of scoreKinds.filter((kind) => kind !== "random")) {
    const { calibration: record } = findCalibration(
      { swift, super: strong },
      scoreOptions.parse({ score }),
      undefined,
      shipped,
    );
    const { scores } = record;
    expect(scores).toEqual(scores.toSorted((a, b) => a - b));
    for (const value of [0.1, 0.3, 0.5, 0.8]) {
      const threshold = thresholdOf(record, { by: "share", value });
      const share = scores.filter((one) => one < threshold).length / scores.length;
      expect(Math.abs(share - value), `${score} at ${value}`).toBeLessThan(0.03);
    }
  }
});
