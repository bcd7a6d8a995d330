import type { ReadTexts } from "./texts.ts";

/** Counts choices, and gives the commonest. */
class Counts {
  readonly #counts = new Map<number, number>();
  #best = -1;

  add(choice: number): void {
    const count = (this.#counts.get(choice) ?? 0) + 1;
    this.#counts.set(choice, count);
    if (count > (this.#counts.get(this.#best) ?? 0)) this.#best = choice;
  }

  get best(): number {
    return this.#best;
  }
}

/**
 * Counting controls: how often the model's choice in held-out rows is its commonest choice in the training rows,
 * overall and after the same token.
 */
export function commonestChoices({ rows, held, choices }: ReadTexts) {
  const all = new Counts();
  const byToken = new Map<number, Counts>();
  for (const [row, own] of choices.entries())
    if (row >= held)
      for (const [i, choice] of own.entries()) {
        const token = rows[row]![i]!;
        const behind = byToken.get(token) ?? new Counts();
        byToken.set(token, behind);
        behind.add(choice);
        all.add(choice);
      }
  const right = { commonest: 0, behindToken: 0, places: 0 };
  for (const [row, own] of choices.slice(0, held).entries())
    for (const [i, choice] of own.entries()) {
      right.places++;
      right.commonest += Number(choice === all.best);
      right.behindToken += Number(choice === (byToken.get(rows[row]![i]!) ?? all).best);
    }
  return { commonest: right.commonest / right.places, behindToken: right.behindToken / right.places };
}
