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
    ["granite", "an attention scale of its own"],
    ["granitemoehybrid", "an attention scale of its own"],
    ["deepseek_v2", "heads that are rotated in part"],
    ["glm4_moe", "heads that are rotated in part"],
    ["qwen3_next", "heads that are rotated in part"],
    ["qwen3_5", "heads that are rotated in part"],
    ["falcon_h1", "an attention scale of its own"],
    ["gpt_oss", "attention sinks"],
    ["mamba2", "recurrent layers, which have no attention"],
  ])("refuse %s: %s", async (fixture, reason) => {
    await expect(() => check(fixture)).rejects.toThrow(
      new UserError(`a saving does not serve this model: it has ${reason}`, 2),
    );
  });
});
