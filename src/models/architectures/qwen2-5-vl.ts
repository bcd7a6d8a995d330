import { z } from "zod";
import { checkValues } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { patchArchitecture } from "../images/patch-architecture.ts";
import type { PatchEncoderConfig } from "../images/patch-encoder.ts";
import type { TowerTraits } from "../images/patch-tower.ts";
import { qwenTower, qwenVlLanguage } from "./qwen2-vl.ts";

const NAME = "qwen2_5_vl";
const WHAT = "a Qwen2.5-VL";

const windowSchema = z.object({ window: z.int().min(1).max(64), layers: z.array(z.int().min(0)) });

/** The windows of most layers, measured in merged squares of patches. */
function windowsOf(fields: Fields): NonNullable<PatchEncoderConfig["windows"]> {
  const number = (key: string) => fields.number(undefined, key);
  const square = number("spatial_merge_size") * number("patch_size");
  const { window, layers } = checkValues(windowSchema, fields.source, {
    window: Math.floor(number("window_size") / square),
    layers: fields.list("fullatt_block_indexes"),
  });
  return { side: window, has: (layer) => !layers.includes(layer) };
}

const tower: TowerTraits = {
  ...qwenTower,
  usual: {
    ...{ depth: 32, hidden_size: 3584, hidden_act: "silu", intermediate_size: 3420, num_heads: 16 },
    ...{ window_size: 112, fullatt_block_indexes: [7, 15, 23, 31] },
  },
  parts: { ...qwenTower.parts, ffn_gate: "mlp.gate_proj", ffn_up: "mlp.up_proj", ffn_down: "mlp.down_proj" },
  widths: (fields) => ({
    hidden: fields.number(undefined, "hidden_size"),
    ffn: fields.number(undefined, "intermediate_size"),
  }),
  own: (fields) => ({ norm: "rms", gated: "apart", windows: windowsOf(fields) }),
};

/** Qwen2.5-VL (Bai et al. 2025): a Qwen2-VL whose encoder has windows in most layers, RMS norms and gated feed-forwards. */
export const qwen25Vl = patchArchitecture(NAME, { what: WHAT, language: qwenVlLanguage(NAME, WHAT), tower });
