import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { writeConfig } from "./write-config.ts";

test("whole numbers of float fields stay floats for Python", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-config-"));
  const config = { hidden_size: 64, final_logit_softcapping: 30, rope_scaling: { factor: 8 }, rms_norm_eps: 1e-6 };
  await writeConfig(folder, config);
  const text = readFileSync(path.join(folder, "config.json"), "utf8");
  rmSync(folder, { recursive: true });
  expect(JSON.parse(text)).toEqual(config);
  expect(text).toContain('"final_logit_softcapping": 30.0,');
  expect(text).toContain('"factor": 8.0\n');
  expect(text).toContain('"hidden_size": 64,');
});
