import type { EncoderModel } from "../../engine/encoders/text/encoder-model.ts";
import type { Face } from "./face.ts";
import { textsAlone } from "./inputs.ts";

/** Reads whole texts. */
export const encoderFace = (encoder: EncoderModel): Face => ({
  encoder,
  // The limit is one higher, since the running call is also in the queue.
  schedule: ({ queue }) => Object.assign(encoder.queue, { limit: queue + 1 }),
  embed: (inputs, terms) => encoder.embed(textsAlone(encoder.source.name, inputs), terms),
  classify: (inputs, labels, terms) => encoder.classify(textsAlone(encoder.source.name, inputs), labels, terms),
  relevance: (query, texts, terms) => encoder.relevance(query, texts, terms),
});
