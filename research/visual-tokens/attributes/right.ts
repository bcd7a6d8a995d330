/**
 * The share of questions that a model of the attribute world answers right without a saving: `npx tsx
 * research/visual-tokens/attributes/right.ts MODEL SIDE [PICTURES]`, one question of each kind about a picture.
 */
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { makeScenes } from "../../../src/lab/data/attributes/scene.ts";
import { densePlan } from "../../../src/savings/plan.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { Attributes } from "./answers.ts";
import { askedKinds, questionOf, SEED } from "./measure.ts";

const [path = "", side = "12", pictures = "60"] = process.argv.slice(2);
const model = await LanguageModel.load(await resolveModel(path), "f32");
const world = new Attributes(model);
const scenes = makeScenes(Number(side), Number(pictures), SEED);
for (const kind of askedKinds) {
  let right = 0;
  for (const [i, scene] of scenes.entries()) {
    const testCase = { id: `${i}`, scene, question: questionOf(scene, kind, i) };
    right += Number((await world.answer(testCase, () => densePlan)).right);
  }
  console.log(`${kind}: ${right} of ${scenes.length}`);
}
model[Symbol.dispose]();
