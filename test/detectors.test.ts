/**
 * Real detectors of other projects pass boxes to `recognize`: NanoDet and CenterNet, trained on COCO and run by their
 * own library, on its photograph of people. They are not dependencies.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { installation, installed, openDetector, photograph } from "../tools/detectors.ts";
import { root } from "../tools/section.ts";

if (!installed) console.log(`Detectors: not tested; ${installation}`);

describe.runIf(installed).each(["centernet", "nanodet"] as const)("%s", (model) => {
  const out = mkdtempSync(path.join(tmpdir(), "modicum-detectors-"));
  afterAll(() => rmSync(out, { recursive: true }));

  test("recognize names its boxes", { timeout: 300_000 }, async () => {
    const detect = await openDetector(model, { minConfidence: 0.25, maxDetected: 10 });
    const detections = await detect(photograph);
    expect(detections.length).toBeGreaterThan(2);
    expect(detections.every(({ label }) => label === "person")).toBe(true);
    const boxes = detections.map(({ box: [left, top, width, height] }) => [left, top, left + width, top + height]);
    const file = path.join(out, "boxes.json");
    writeFileSync(file, JSON.stringify(boxes));
    const args = ["recognize", photograph, "--boxes", file, "--labels", "person,dog,red car", "--json"];
    const answer = JSON.parse(execFileSync(process.execPath, [path.join(root, "bin/modicum.js"), ...args]).toString());
    expect(answer.regions.map(({ box }: { box: number[] }) => box)).toEqual(boxes);
    for (const { label } of answer.regions) expect(["person", "dog", "red car"]).toContain(label);
  });
});
