import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { resolveModel } from "../sources/index.ts";
import { openGguf, readFloats } from "./index.ts";

/** SHA-256 of the gguf package's values for the same file: tools/reference/gguf_dequant.py. */
const expected = JSON.parse(readFileSync(new URL("./fixtures/smollm2.json", import.meta.url), "utf8"));
const sha256 = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

let path: string;
beforeAll(async () => {
  path = (await resolveModel("smollm2")).path;
});

test("SmolLM2: every weight and every token equals the gguf package's", () => {
  const file = openGguf(path);
  for (const key of ["tokens", "merges"]) {
    expect(sha256(file.metadata.strings(`tokenizer.ggml.${key}`).join("\n"))).toBe(expected[key]);
  }
  const tensors: Record<string, string> = {};
  for (const tensor of file.tensors.values()) {
    tensors[tensor.name] = sha256(new Uint8Array(readFloats(tensor).buffer));
  }
  expect(tensors).toEqual(expected.tensors);
});
