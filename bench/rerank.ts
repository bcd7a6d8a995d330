import type { Model, Receipt } from "../src/index.ts";
import { rerank } from "../src/pipelines/first/first.ts";
import { rankModelOf } from "../src/pipelines/first/model.ts";
import { checkFirstOptions, type FirstInput } from "../src/pipelines/first/options.ts";
import { WindowRanker } from "../src/pipelines/first/window.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { bookTokens } from "./tokens.ts";

const [PASSAGES, TOKENS] = [20, 64];
const QUERY = "How does an engine decide what of a model runs for a request?";

type Method = FirstInput["method"];

/** Ranks a window of real passages with nothing cached. */
async function ranked(model: Model, method: Method): Promise<Receipt> {
  const tokens = bookTokens(model, PASSAGES * TOKENS);
  const passages = Array.from({ length: PASSAGES }, (_, i) =>
    model.language.tokenizer.decode(tokens.slice(i * TOKENS, (i + 1) * TOKENS)),
  );
  const options = checkFirstOptions({ method, windowSize: PASSAGES, rankEnd: PASSAGES, presort: "none" });
  model.language.engine.forget();
  const named = { model: model.name, recipe: ["first"] };
  const ranker = new WindowRanker(rankModelOf(model), options);
  return (await rerank((work) => work(ranker), QUERY, passages, options, { named })).receipt;
}

const total = (method: Method) => async (model: Model) => {
  const { ms } = await ranked(model, method);
  return ms.prefill + ms.decode;
};

/** Compares ranking by one token's logits with writing the ranking. The floor is the prompt alone. */
export const rerankWindow: Bench = {
  name: "rerank",
  unit: "ms/window",
  moreIsBetter: false,
  lifetime: "kept",
  sides({ model: name }) {
    const model = new OwnModel(name);
    return {
      ours: ownSide("one token's logits", model, total("single-token")),
      theirs: ownSide("written ranking", model, total("generate")),
    };
  },
  async floor({ model: name }) {
    const model = new OwnModel(name);
    try {
      const loaded = await model.load();
      await ranked(loaded, "single-token");
      const times: number[] = [];
      for (let i = 0; i < 3; i++) times.push((await ranked(loaded, "single-token")).ms.prefill);
      return Math.min(...times);
    } finally {
      await model.free();
    }
  },
};
