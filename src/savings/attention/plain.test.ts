import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openDecoder } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { requirePlainAttention } from "./plain.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-plain-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function check(fixture: string): Promise<void> {
  const file = fileURLToPath(new URL(`../../models/fixtures/${fixture}`, import.meta.url));
  const { decoder, weights } = await openDecoder(openCheckpoint(file), path.join(folder, fixture), "f32");
  try {
    requirePlainAttention("a saving", decoder);
  } finally {
    weights.abandon();
  }
}

describe("savings that do attention their own way", () => {
  test.each(["llama-yarn", "qwen2", "qwen3", "olmo2", "gpt2", "exaone4-whole", "lfm2", "nemotron_h", "falcon_h1-norm"])(
    "serve %s",
    async (fixture) => {
      await expect(check(fixture)).resolves.not.toThrow();
    },
  );

  test.each([
    ["mistral", "a sliding window"],
    ["gemma2", "attention that differs between layers"],
    ["gemma3", "attention that differs between layers"],
    ["exaone4", "attention that differs between layers"],
    ["cohere2", "attention that differs between layers"],
    ["gemma4", "attention that differs between layers"],
    ["llama4", "attention that differs between layers"],
    ["smollm3", "attention that differs between layers"],
    ["phi3", "a sliding window"],
    ["granite", "a custom attention scale"],
    ["granitemoehybrid", "a custom attention scale"],
    ["deepseek_v2", "partly rotated heads"],
    ["glm4_moe", "partly rotated heads"],
    ["qwen3_next", "partly rotated heads"],
    ["qwen3_5", "partly rotated heads"],
    ["falcon_h1", "a custom attention scale"],
    ["gpt_oss", "attention sinks"],
    ["mamba2", "recurrent layers, which have no attention"],
  ])("refuse %s: %s", async (fixture, reason) => {
    await expect(() => check(fixture)).rejects.toThrow(
      new UserError(`a saving does not support this model: it has ${reason}`, 2),
    );
  });
});
