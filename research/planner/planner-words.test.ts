import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { load } from "../../src/index.ts";
import { seededRandom } from "../../src/util/random.ts";
import { modelHash, resolveModel, shippedFolder } from "../../src/weights/sources/index.ts";
import { words } from "./worlds/words.ts";

/** Half of the first hops are right by a coin's toss; 0.72 of 200 were when the model was measured. */
test("planner-words finds the first hop more often than a coin's toss", async () => {
  using model = await load("planner-words", { quant: "f32" });
  const random = seededRandom(5);
  let right = 0;
  for (let i = 0; i < 60; i++) {
    const { question, plan } = words.tested(random);
    const { text } = await model.complete(`${question}=`, {
      ...{ raw: true, maxTokens: words.planTokens, diffusion: { steps: 2 } },
    });
    if (text.trim().split(" ")[2] === plan.split(" ")[2]) right++;
  }
  expect(right).toBeGreaterThan(36);
});

test("SmolLM2's projector is for this planner", async () => {
  const file = `${shippedFolder("planner-words+smollm2")}/plan/plan.json`;
  const { planner } = JSON.parse(readFileSync(file, "utf8"));
  expect(planner).toEqual({ name: "planner-words", sha256: await modelHash(await resolveModel("planner-words")) });
});
