import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { parseJson } from "../json.ts";
import { writeConfig } from "./write-config.ts";

test("whole numbers of float fields stay floats for Python", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-config-"));
  const config = { hidden_size: 64, final_logit_softcapping: 30, rope_scaling: { factor: 8 }, rms_norm_eps: 1e-6 };
  const limits = {
    floor_scale: 8192,
    mlp_multipliers: [0.25, 2, 1e-7],
    router_jitter_noise: 0,
    time_step_limit: [0, Number.POSITIVE_INFINITY],
  };
  await writeConfig(folder, { ...config, ...limits });
  const text = readFileSync(path.join(folder, "config.json"), "utf8");
  rmSync(folder, { recursive: true });
  expect(parseJson(new TextEncoder().encode(text))).toEqual({ ...config, ...limits });
  expect(text).toContain('"floor_scale": 8192,');
  expect(text.replaceAll(/\s/g, "")).toContain('"mlp_multipliers":[0.25,2.0,1e-7]');
  expect(text).toContain('"router_jitter_noise": 0.0,');
  expect(text.replaceAll(/\s/g, "")).toContain('"time_step_limit":[0.0,Infinity]');
  expect(text).toContain('"final_logit_softcapping": 30.0,');
  expect(text).toContain('"factor": 8.0\n');
  expect(text).toContain('"hidden_size": 64,');
});
