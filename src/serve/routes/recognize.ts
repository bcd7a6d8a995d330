import { Buffer } from "node:buffer";
import { z } from "zod";
import { regionPipeline } from "../../pipelines/registry.ts";
import { checkPixels } from "../fleet/images.ts";
import { billed } from "../generation/billed.ts";
import { readingShape } from "../generation/naming.ts";
import { IMAGE_URL } from "../generation/turns.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import type { ServerContext } from "../server-context.ts";

/** A red square of 48 × 48 pixels. */
const RED =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAADAAAAAwCAMAAABg3Am1AAAAA1BMVEXIPCh+gCsnAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAGUlEQVRIx+3BgQAAAADDoPlT3+AEVQEA8AwJMAAB0q0T2gAAAABJRU5ErkJggg==";

const { fields, shown } = await regionPipeline.fields();

/** `POST /v1/recognize`. */
export const recognize = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/recognize"],
    summary: "Name the regions of a picture with labels of any wording",
    scope: "infer",
    input: z.object({
      ...readingShape,
      image: z
        .string()
        .regex(IMAGE_URL, "expected an image as data:image/…;base64,…; the server fetches no URL")
        .describe("the picture, as data:image/png;base64,…"),
      ...fields,
    }),
    example: {
      model: "clip-tiny",
      image: RED,
      boxes: [[8, 8, 40, 40]],
      labels: ["cat", "dog"],
    },
    output: z.object({
      object: z.literal("list"),
      ...{ width: z.int(), height: z.int(), data: z.array(shown.extend({ index: z.int() })), model: z.string() },
      ...billedShape,
    }),
    async handle(body, call) {
      const { model: name, image, boxes, labels, most, fit } = body;
      const bytes = Buffer.from(image.slice(image.indexOf(",") + 1), "base64");
      await checkPixels([bytes], "image", context.limits);
      const choice = await context.catalogue.choose(body);
      const result = await billed(context, choice, { ...call, body }, (model, { signal, arrived }) =>
        model.recognize({ image: bytes, boxes, labels, options: { most, fit }, arrived, ...(signal && { signal }) }),
      );
      const { width, height, regions, receipt } = result;
      const data = regions.map((one, index) => ({ index, ...one }));
      return { object: "list", width, height, data, model: name, usage: usageOf(receipt), receipt };
    },
  });
