import { embedTokens } from "./chunk-run.ts";
import { planOf, type Step, type Stepped } from "./stepped.ts";

/**
 * Runs a row's token and those that were guessed to follow it in one pass, in the form of decode steps; `Engine.keep`
 * says which stay.
 */
export async function runAhead(step: Step): Promise<Stepped> {
  const { slot, meter, ahead = [] } = step;
  const { programs, apart } = slot;
  const tokens = [step.token!, ...ahead];
  const positions = tokens.map((_, i) => slot.tokens.length + i);
  await embedTokens(programs, apart.buffers, apart.lengths, tokens, slot.placeIn(slot.group(0), positions));
  meter.part(programs.embedding.cost, tokens.length, 0);
  const layers = { from: 0, to: programs.decoder.config.layers };
  const of = { total: tokens.length, whole: tokens.length };
  const chunk = await apart.run({ slot, layers, done: 0, positions, meter }, of);
  slot.grow(tokens, planOf(step).state.answer);
  const logits = await slot.logitsOfAll(await chunk.rows(0, tokens.length), tokens.length);
  meter.part(programs.headCost, tokens.length, 0);
  meter.count("drafts", 0, ahead.length);
  return { kind: "checked", logits };
}
