import { expect, test } from "vitest";
import { chooseTrained } from "./choice.ts";

const unit = (name: string, layer: number, square: number) => ({ names: [name], layer, square });
const namesOf = (units: readonly { readonly names: readonly string[] }[]) => units.flatMap(({ names }) => names).sort();

test("the lowest layers are frozen as long as the others hold their share of the gradient", () => {
  const units = [unit("a", 0, 1), unit("b", 0, 2), unit("c", 1, 3), unit("d", 1, 1), unit("e", 2, 4), unit("f", 2, 2)];
  const chosen = chooseTrained(units, 0.5);
  expect(namesOf(chosen.units)).toEqual(["c", "e", "f"].sort());
  expect(chosen).toMatchObject({ lowest: 1, retained: 9 / 13 });
  // Control: if the lowest layer has the largest gradients, no layer is frozen whole.
  const low = units.map((each) => (each.layer === 0 ? { ...each, square: 20 } : each));
  expect(chooseTrained(low, 0.5).lowest).toBe(0);
  expect(namesOf(chooseTrained(low, 0.5).units)).toEqual(["a", "b", "e"]);
});

test("a layer is trained from only if it leaves enough tensors, and one is always trained", () => {
  const units = [unit("a", -1, 0), unit("b", 0, 0), unit("c", 1, 100)];
  expect(namesOf(chooseTrained(units, 1 / 3).units)).toEqual(["b", "c"]);
  expect(namesOf(chooseTrained(units, 0.99).units)).toEqual(["c"]);
});
