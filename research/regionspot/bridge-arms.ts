import type { BridgeOptions } from "../../src/train/methods/regions/bridge.ts";

/** A kind of bridge: its loss, and what it reads. */
interface BridgeArm extends Pick<BridgeOptions, "loss" | "imageNorm" | "featureLayer"> {
  /** Its name in tables. */
  readonly title: string;
  /** A region's token: the localiser's, or its box. */
  readonly tokens: "localiser" | "boxes";
}

const own = { title: "RegionSpot", loss: "softmax", imageNorm: true, featureLayer: -2, tokens: "localiser" } as const;

/** Bridges that the gates compare. */
export const bridgeArms = {
  own,
  last: { ...own, title: "RegionSpot, on the last layer", featureLayer: -1 },
  paper: {
    title: "RegionSpot, as in the paper: focal loss, tokens of the last layer as they are",
    ...{ loss: "focal", imageNorm: false, featureLayer: -1, tokens: "localiser" },
  },
  boxes: { ...own, title: "RegionSpot, boxes instead of the localiser's tokens", tokens: "boxes" },
} as const satisfies Readonly<Record<string, BridgeArm>>;
export type BridgeArmName = keyof typeof bridgeArms;
