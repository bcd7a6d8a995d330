import type { Model } from "../index.ts";
import type { ImageGenerator } from "../models/image-generator/image-generator.ts";
import type { ServerContext } from "./server-context.ts";

const TEXT = "Hello";

/**
 * Loads the first model and has it answer once, so that the first request is as fast as later ones.
 * @throws the model's loading error
 */
export async function warmUp({ catalogue, pool, state }: ServerContext): Promise<void> {
  const [served] = catalogue.list();
  if (served) {
    using lease = await pool.lease({ served, recipe: [], quant: served.quant });
    await answerOnce(lease.model);
  }
  if (state.now === "starting") state.now = "ready";
}

async function answerOnce(model: Model): Promise<void> {
  const { loaded } = model;
  switch (loaded.kind) {
    case "decoder":
      await model.complete(TEXT, { maxTokens: 1, raw: true });
      // Otherwise, a request could find this text in the cache.
      return loaded.engine.forget();
    case "encoder":
      if (loaded.compares) return void (await model.relevance(TEXT, [TEXT]));
      return void (await (loaded.classifier ? model.classify([TEXT]) : model.embed([TEXT])));
    case "encoder of images and texts":
      return void (await model.embed([TEXT]));
    case "image encoder":
      // An image encoder is compiled with the first image.
      return;
    case "image generator":
      return void (await model.imagine({ ...drawable(loaded.model), steps: 1 }));
    case "encoder with a decoder":
    case "diffusion language model":
      return void (await model.complete(TEXT, { maxTokens: 1, raw: true }));
  }
}

/** A request that any image generator can draw. */
const drawable = ({ prompts, labels }: ImageGenerator) => (prompts ? { prompt: TEXT } : { class: labels[0] });
