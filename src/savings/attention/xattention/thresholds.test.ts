import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { selectBlocks } from "./select.ts";
import { loadProfile, mergeProfiles, profileHead, saveProfile, type ThresholdProfile } from "./thresholds.ts";

describe("profileHead", () => {
  const oneRow = { rows: 1, cols: 4, rowOffset: 3, coverage: 0.9 };

  test("a perfect estimate asks for the covering set's own mass", () => {
    const mass = [0.5, 0.3, 0.15, 0.05];
    expect(profileHead(mass, mass, oneRow)).toBeCloseTo(0.95, 12);
    expect(profileHead(mass, mass, { ...oneRow, coverage: 0.4 })).toBeCloseTo(0.5, 12);
  });

  test("an estimate that ranks a needed block low must keep all above it", () => {
    // Blocks 0 and 2 are needed; block 1 is kept as well, since its estimate is at least the smaller of their
    // estimates, 0.2.
    expect(profileHead([0.6, 0, 0.35, 0.05], [0.4, 0.3, 0.2, 0.1], oneRow)).toBeCloseTo(0.9, 12);
  });

  test("future blocks are not read, and rows are weighed by their mass", () => {
    const junk = Number.NaN;
    // Row 0 keeps its whole mass of 1; row 1 keeps 3 of 4.
    const exact = [1, junk, 0.95, 0.05];
    expect(profileHead(exact, [1, junk, 3, 1], { rows: 2, cols: 2, rowOffset: 0, coverage: 0.9 })).toBeCloseTo(
      4 / 5,
      12,
    );
  });

  test("coverage 1 keeps everything, coverage 0 the best block, no mass nothing", () => {
    const mass = [0.1, 0.2, 0.3, 0.4];
    expect(profileHead(mass, mass, { ...oneRow, coverage: 1 })).toBe(1);
    expect(profileHead(mass, mass, { ...oneRow, coverage: 0 })).toBeCloseTo(0.4, 12);
    expect(profileHead([0, 0, 0, 0], [0, 0, 0, 0], oneRow)).toBe(0);
  });

  test("a profiled threshold keeps about the covered exact mass when used", () => {
    const random = seededRandom(4);
    const shape = { rows: 24, cols: 24, rowOffset: 0 };
    const exact = Float64Array.from({ length: 576 }, (_, i) => (i % 24 <= Math.floor(i / 24) ? random() ** 6 : 0));
    const estimated = exact.map((mass) => Math.sqrt(mass));
    const threshold = profileHead(exact, estimated, { ...shape, coverage: 0.9 });
    const mask = selectBlocks(estimated, {
      ...shape,
      heads: 1,
      threshold,
      selection: "threshold",
      k: 1,
      ratio: 1,
      forceSink: false,
      forceDiagonal: false,
    });
    const retained = exact.filter((_, i) => mask.has(0, Math.floor(i / 24), i % 24)).reduce((a, b) => a + b);
    expect(retained / exact.reduce((a, b) => a + b)).toBeGreaterThan(0.85);
    expect(mask.density()).toBeLessThan(0.9);
    // The flat estimate needs a smaller share of its own mass than the coverage.
    expect(threshold).toBeLessThan(0.9);
  });
});

describe("mergeProfiles", () => {
  test("takes the largest over texts, head by head", () => {
    expect(
      mergeProfiles([
        [
          [0.1, 0.9],
          [0.5, 0.5],
        ],
        [
          [0.2, 0.8],
          [0.4, 0.6],
        ],
      ]),
    ).toEqual([
      [0.2, 0.9],
      [0.5, 0.6],
    ]);
  });

  test("needs a text", () => {
    expect(() => mergeProfiles([])).toThrow("at least one text");
  });
});

describe("the file", () => {
  const use = { modelSha256: "ab".repeat(32), stride: 8, blockSize: 128, layers: 2, heads: 3 };
  const profile: ThresholdProfile = {
    modelSha256: use.modelSha256,
    stride: 8,
    blockSize: 128,
    coverage: 0.9,
    thresholds: [
      [0.1, 0.2, 0.3],
      [0.4, 0.5, 1],
    ],
  };
  let folder: string;
  let path: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "thresholds-"));
    path = join(folder, "profile.json");
    await saveProfile(path, profile);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("is read as it was written, and leaves nothing beside it", async () => {
    expect(await loadProfile(path, use)).toEqual(profile);
    expect(await readdir(folder)).toEqual(["profile.json"]);
  });

  test("a failed write leaves the old file and no half of a new one", async () => {
    await expect(saveProfile(join(folder, "missing", "p.json"), profile)).rejects.toThrow();
    await expect(saveProfile(folder, profile)).rejects.toThrow();
    expect(await readdir(folder)).toEqual(["profile.json"]);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual(profile);
  });

  test.each([
    [
      { modelSha256: "cd".repeat(32) },
      `made for modelSha256 ${"ab".repeat(32)}, but this run has modelSha256 ${"cd".repeat(32)}`,
    ],
    [{ stride: 16 }, "made for stride 8, but this run has stride 16"],
    [{ blockSize: 64 }, "made for blockSize 128, but this run has blockSize 64"],
    [{ layers: 30 }, "expected thresholds for 30 layers, got 2"],
    [{ heads: 9 }, "expected 9 thresholds in layer 0, got 3"],
  ])("is refused for a run with %j", async (other, sentence) => {
    const refusal = { name: "UserError", message: `${path}: ${sentence}` };
    await expect(loadProfile(path, { ...use, ...other })).rejects.toMatchObject(refusal);
  });

  test.each([
    ["{", "this is not JSON"],
    ["[]", "expected object, got []"],
    [JSON.stringify({ ...profile, thresholds: [[0.1, -1]] }), '"thresholds.0.1": must be at least 0 (got -1)'],
    [JSON.stringify({ ...profile, modelSha256: "x" }), '"modelSha256": expected 64 hex digits, got "x"'],
  ])("other content is refused: %s", async (text, sentence) => {
    const other = join(folder, "other.json");
    await writeFile(other, text);
    await expect(loadProfile(other, use)).rejects.toThrow(`${other}: ${sentence}`);
    await rm(other);
  });

  test("a missing file is named", async () => {
    await expect(loadProfile("nowhere.json", use)).rejects.toThrow(
      "nowhere.json: there is no such file, expected a threshold profile",
    );
  });
});
