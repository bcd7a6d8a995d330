import type { PullOptions } from "../../src/weights/sources/plan.ts";
import { readDigits } from "./drawings/digits.ts";
import { type Drawing, drawShapes, type ShapeName } from "./drawings/shapes.ts";

/**
 * The owner of a set of drawings: the publisher, who trains the model and learns the mask; a user; or the test of both.
 */
export type Part = "publisher" | "user" | "test";

/** A set of drawings in which two classes are new to the published model; either may be the illegal one. */
export interface World {
  readonly name: string;
  /** Fields of the network's `config.json`. */
  readonly architecture: Readonly<Record<string, unknown>>;
  /** The two new classes. */
  readonly fresh: readonly [string, string];
  /** Drawings that the published model is trained on. */
  published(): Drawing[];
  /** Drawings of a new class; no two parts share one. */
  drawings(label: string, part: Part, seed: number): Drawing[];
}

const network = {
  _class_name: "UNet2DModel",
  ...{ in_channels: 1, out_channels: 1, layers_per_block: 1, block_out_channels: [8, 20], norm_num_groups: 4 },
  ...{ down_block_types: ["DownBlock2D", "DownBlock2D"], up_block_types: ["UpBlock2D", "UpBlock2D"] },
  add_attention: false,
  scheduler: { num_train_timesteps: 100, beta_start: 0.001, beta_end: 0.2 },
};

const PARTS: readonly Part[] = ["publisher", "user", "test"];
const known: readonly ShapeName[] = ["disk", "square", "cross"];
const EACH = 200;

/** Drawn shapes: disks, squares and crosses are published, rings and stripes are new. */
export const shapeWorld: World = {
  name: "shapes",
  architecture: { ...network, sample_size: 12, num_class_embeds: 6, labels: [...known, "ring", "stripes"] },
  fresh: ["ring", "stripes"],
  published: () => known.flatMap((name) => drawShapes(name, 500, 0)),
  drawings: (label, part, seed) => drawShapes(label as ShapeName, EACH, 1 + 3 * seed + PARTS.indexOf(part)),
};

/** The digits that are new to a published model. */
export const newDigits = ["4", "7"] as const;

/** Handwritten digits, of which two are new. @throws UserError if they cannot be fetched */
export async function digitWorld(options: PullOptions = {}): Promise<World> {
  const all = await readDigits(options);
  const labels = Array.from({ length: 10 }, (_, i) => String(i));
  const third = (label: string, part: Part) => {
    const own = all.filter((drawing) => drawing.label === label);
    const size = Math.floor(own.length / PARTS.length);
    return own.slice(PARTS.indexOf(part) * size, (PARTS.indexOf(part) + 1) * size);
  };
  return {
    name: "digits",
    architecture: { ...network, sample_size: 16, num_class_embeds: 11, labels },
    fresh: newDigits,
    published: () => all.filter(({ label }) => !newDigits.some((name) => name === label)),
    drawings: third,
  };
}
