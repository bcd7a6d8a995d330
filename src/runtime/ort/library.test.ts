import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Buffer } from "../buffer.ts";

test.runIf(process.platform === "linux")("nothing of what runs here is recorded for others", () => {
  using buffer = new Buffer("f32", 1);
  expect(buffer.bytes).toBe(4);
  const mapped = readFileSync("/proc/self/maps", "utf8");
  expect(mapped).toContain("libonnxruntime");
  expect(mapped).not.toContain("onnxruntime.db");
});
