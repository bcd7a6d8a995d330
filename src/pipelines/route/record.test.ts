import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { scoreOptions } from "../scores.ts";
import {
  calibrationFiles,
  calibrationOf,
  calibrationPath,
  findCalibration,
  keepCalibration,
  type PairIdentity,
  readCalibrations,
  thresholdOf,
} from "./record.ts";

const model = (name: string, digit: string) => ({ name, sha256: digit.repeat(64), recipe: [], quant: "auto" });
const pair: PairIdentity = { swift: model("small", "a"), super: model("large", "b") };
const data = { name: "questions.jsonl", sha256: "c".repeat(64), prompts: "chat", maxTokens: 1 } as const;
const energy = scoreOptions.parse({});
const margin = scoreOptions.parse({ score: "margin" });
const samples = [4, Number.NaN, 1, 3, 2].map((score, i) => ({ score, swift: i % 2, super: 1 }));
const calibration = (scoring = energy) => calibrationOf(samples, scoring, { by: "share", value: 0.4 }, data);
const scratch = () => mkdtempSync(join(tmpdir(), "modicum-route-"));

test("a record has the scores in order, each with its answers, those without a score last", () => {
  expect(calibration()).toMatchObject({
    scores: [1, 2, 3, 4],
    unscored: 1,
    swift: [0, 0, 1, 0, 1],
    super: [1, 1, 1, 1, 1],
  });
  expect(thresholdOf(calibration())).toBe(1.5);
  expect(thresholdOf(calibration(), { by: "share", value: 0.6 })).toBe(2.5);
});

test("is written, found by the models' hashes, and read again", async () => {
  const home = scratch();
  const file = calibrationPath(pair, home);
  await keepCalibration(file, pair, calibration());
  await keepCalibration(file, pair, calibration(margin));
  await keepCalibration(file, pair, calibrationOf(samples, margin, { by: "crossing" }, data));
  expect(readCalibrations(file).calibrations.map(({ score, target }) => [score, target.by])).toEqual([
    ["energy", "share"],
    ["margin", "crossing"],
  ]);
  const files = calibrationFiles(home, []);
  expect(files).toEqual([file]);
  expect(findCalibration(pair, energy, undefined, files).calibration).toEqual(calibration());
  // Users may rename models; only the hash counts.
  const renamed = { ...pair, swift: { ...pair.swift, name: "./small.gguf" } };
  expect(findCalibration(renamed, energy, undefined, files).calibration).toEqual(calibration());
});

test("calibrations made in other codes are dropped when one is written, and found by a run in others", async () => {
  const file = join(scratch(), "route.json");
  const inCodes = (codes: 4 | 8) => ({ ...pair, swift: { ...pair.swift, codes } });
  await keepCalibration(file, inCodes(8), calibration());
  expect(findCalibration(inCodes(4), energy, file)).toMatchObject({ path: file, swift: { codes: 8 } });
  await keepCalibration(file, inCodes(4), calibration(margin));
  expect(readCalibrations(file).calibrations.map(({ score }) => score)).toEqual(["margin"]);
  expect(findCalibration(pair, margin, file).swift.codes).toBe(4);
});

test("calibrations made in rotated bytes are dropped when one is written in the default form, and found by a run in it", async () => {
  const file = join(scratch(), "route.json");
  const rotated = { ...pair, swift: { ...pair.swift, form: "q8r" as const } };
  await keepCalibration(file, rotated, calibration());
  expect(findCalibration(pair, energy, file).swift.form).toBe("q8r");
  await keepCalibration(file, pair, calibration(margin));
  expect(readCalibrations(file).calibrations.map(({ score }) => score)).toEqual(["margin"]);
  expect(readCalibrations(file).swift).not.toHaveProperty("form");
});

test("a Super on another server is identified by its name", async () => {
  const file = join(scratch(), "route.json");
  await keepCalibration(file, pair, calibration());
  const remote = (name: string) => ({ ...pair, super: { name, recipe: [], quant: "auto" } });
  expect(findCalibration(remote("large"), energy, file).calibration).toEqual(calibration());
  expect(() => findCalibration(remote("huge"), energy, file)).toThrow(
    "was made for large (bbbbbbbbbbbb) as Super, but Super is huge",
  );
});

describe("refused", () => {
  const written = async () => {
    const file = join(scratch(), "route.json");
    await keepCalibration(file, pair, calibration());
    return file;
  };
  test.each([
    [
      "another Swift",
      { ...pair, swift: model("small", "d") },
      /was made for small \(aaaaaaaaaaaa\) as Swift, but Swift is small \(dddddddddddd\); `modicum route calibrate "small>large" FILE\.jsonl` calibrates it/,
    ],
    ["another Super", { ...pair, super: model("large", "d") }, /was made for large \(bbbbbbbbbbbb\) as Super/],
    [
      "Swift under a recipe",
      { ...pair, swift: { ...pair.swift, recipe: ["prune:keep=0.5"] } },
      /Swift is small \(aaaaaaaaaaaa, prune:keep=0\.5\)/,
    ],
    [
      "Swift in another form",
      { ...pair, swift: { ...pair.swift, quant: "q4" } },
      /Swift is small \(aaaaaaaaaaaa, quant q4\)/,
    ],
    ["the models the other way round", { swift: pair.super, super: pair.swift }, /was made for small/],
  ])("%s", async (_, other, sentence) => {
    const file = await written();
    expect(() => findCalibration(other, energy, file)).toThrow(sentence);
  });

  test("a pair or a score without a calibration", async () => {
    const file = await written();
    expect(() => findCalibration(pair, margin, file)).toThrow(
      "small>large is not calibrated for score=margin,aggregate=first; ",
    );
    expect(() => findCalibration({ ...pair, swift: model("tiny", "e") }, energy, undefined, [file])).toThrow(
      'tiny>large is not calibrated for score=energy,aggregate=first; `modicum route calibrate "tiny>large" FILE.jsonl` calibrates it; @t=… sets a threshold by hand',
    );
  });

  test("a damaged file", () => {
    const file = join(scratch(), "route.json");
    writeFileSync(file, '{"swift":{"name":"a"},"super":{"name":"b"},"calibrations":[]}');
    expect(() => readCalibrations(file)).toThrow(/route\.json: "calibrations": must not be empty/);
  });

  test("samples without a threshold", () => {
    expect(() => calibrationOf([{ score: 1 }], energy, { by: "share" }, data)).toThrow("two rows or more, got 1");
  });
});
