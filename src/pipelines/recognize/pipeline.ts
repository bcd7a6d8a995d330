import type { ImageTextModel } from "../../engine/encoders/image-text/image-text-model.ts";
import type { HeldModel } from "../resources.ts";
import type { Recognized, RecognizeRequest } from "./recognize.ts";
import type { Recognizer } from "./recognizer.ts";

type Holder = Pick<HeldModel, "attached">;

export const recognize = {
  name: "recognize",
  group: "seeing",
  summary: "name all regions of a picture in one pass: recognize",
  options: async () => (await import("./options.ts")).recognizeOptions,
  /** Fields of `POST /v1/recognize`. */
  fields: () => import("./options.ts"),
  /**
   * Attaches a localiser and a bridge to a loaded model: a folder's, or the ones that the package ships for the model.
   * @throws UserError if there is no localiser or bridge
   */
  async attach(model: ImageTextModel, held: Holder, folder?: string): Promise<Recognizer> {
    const { Recognizer } = await import("./recognizer.ts");
    return held.attached("recognizer", () => Recognizer.open(model, folder));
  },
  /** Names the regions of a picture with the localiser and bridge attached to the model. @throws UserError */
  async run(model: ImageTextModel, held: Holder, request: RecognizeRequest): Promise<Recognized> {
    const { recognize: run } = await import("./recognize.ts");
    return run(await recognize.attach(model, held), request);
  },
  /** Draws regions on their picture. */
  drawing: () => import("./annotate.ts"),
};
