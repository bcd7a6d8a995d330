import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { UserError } from "../util/errors.ts";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import { isOfKind, openImages, openImageText, openVision } from "./registry.ts";

type Json = Record<string, unknown>;

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** A fixture's checkpoint with a changed configuration. */
function changed(name: string, changes: (config: Json) => Json) {
  const checkpoint = openCheckpoint(fixture(name));
  const config = JSON.parse(readFileSync(`${fixture(name)}/config.json`, "utf8")) as Json;
  return {
    ...checkpoint,
    config: { kind: "huggingface" as const, path: "config.json", config: { ...config, ...changes(config) } },
  };
}

function openerOf(checkpoint: Checkpoint) {
  if (isOfKind("vision–language model", checkpoint)) return openVision;
  return isOfKind("image encoder", checkpoint) ? openImages : openImageText;
}

const inside = (part: string, changes: Json) => (config: Json) => ({
  [part]: { ...(config[part] as Json), ...changes },
});

describe("a configuration of images that would change the numbers is refused by name", () => {
  test.each<[string, string, (config: Json) => Json, string]>([
    [
      "siglip",
      "no head",
      inside("vision_config", { vision_use_head: false }),
      '"vision_use_head" is false, expected true',
    ],
    [
      "siglip",
      "two widths",
      inside("text_config", { projection_size: 24 }),
      "are 24 wide, expected 40, as those of images",
    ],
    [
      "siglip",
      "an activation",
      inside("vision_config", { hidden_act: "mish" }),
      '"hidden_act" is "mish", expected gelu',
    ],
    ["siglip", "heads", inside("text_config", { num_attention_heads: 3 }), "the model's headSize"],
    [
      "clip",
      "a patch",
      inside("vision_config", { patch_size: 25 }),
      '"image_size" is 24, expected at least "patch_size", 25',
    ],
    [
      "clip",
      "channels",
      inside("vision_config", { num_channels: 1 }),
      "the model's channels: Invalid input: expected 3",
    ],
  ])("%s: %s", (name, _, changes, sentence) => {
    const checkpoint = changed(name, changes);
    const open = openerOf(checkpoint);
    const attempt = () => open(checkpoint, "/nowhere", "f32");
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(sentence);
  });
});
