import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { colourNames, type Look, looks, shapeNames, textureNames } from "./words.ts";

/** Looks that one changing object has, or pairs of shapes that two have. */
export const TWINS = shapeNames.length ** 2;

type Paint = Pick<Look, "texture" | "colour">;

const paints: readonly Paint[] = textureNames.flatMap((texture) => colourNames.map((colour) => ({ texture, colour })));

/**
 * The `number`-th scene of a group of 1 to `most` objects, of TWINS that differ. Scenes of one object share its
 * texture, so that colours and shapes tell them apart. Scenes of several objects share all textures and colours, so
 * that only shapes do.
 */
export function twin(group: number, number: number, most: number): readonly Look[] {
  const random = seededRandom(group);
  const count = 1 + Math.floor(random() * most);
  const painted = shuffle([...paints], random).slice(0, count);
  const [first, second] = [Math.floor(number / shapeNames.length) % shapeNames.length, number % shapeNames.length];
  if (count === 1) return looks.filter(({ texture }) => texture === painted[0]!.texture).slice(number, number + 1);
  const other = seededRandom(group * TWINS + number);
  const shapeOf = [first, second, ...painted.slice(2).map(() => Math.floor(other() * shapeNames.length))];
  return painted.map((paint, i) => ({ ...paint, shape: shapeNames[shapeOf[i]!]! }));
}
