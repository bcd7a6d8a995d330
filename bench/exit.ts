import { Meter } from "../src/engine/bill/meter.ts";
import type { Model } from "../src/index.ts";
import { parseRecipe } from "../src/savings/recipe.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { bookTokens } from "./tokens.ts";

const [PROMPT, STEPS] = [256, 64];

/** The milliseconds per step after a prompt, if tokens run only this share of the layers. */
async function stepTime(model: Model, share: number): Promise<number> {
  const { engine, recipes, decoder } = model.language;
  const tokens = bookTokens(model, PROMPT + STEPS);
  const prompt = tokens.slice(0, PROMPT);
  using recipe = await recipes.use(parseRecipe([`exit:layer=${Math.ceil(share * decoder.config.layers)}`]));
  const plan = recipe.plan(PROMPT);
  const meter = new Meter(engine.programs);
  engine.forget();
  const slot = engine.acquire(prompt, plan);
  try {
    await engine.prefill(slot, prompt, meter, plan);
    const started = performance.now();
    for (const token of tokens.slice(PROMPT)) await engine.step(slot, token, meter, plan);
    return (performance.now() - started) / STEPS;
  } finally {
    engine.release(slot);
  }
}

/** Compares answers whose tokens exit after half of the layers with dense answers, in one loaded model. */
export const exit: Bench = {
  name: "exit",
  unit: "ms/token",
  moreIsBetter: false,
  lifetime: "kept",
  sides: ({ model: name }) => {
    const model = new OwnModel(name);
    return {
      ours: ownSide("exit after half of the layers", model, (loaded) => stepTime(loaded, 0.5)),
      theirs: ownSide("modicum dense", model, (loaded) => stepTime(loaded, 1)),
    };
  },
};
