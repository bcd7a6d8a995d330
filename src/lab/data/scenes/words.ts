import { seededRandom } from "../../../util/random.ts";
import { plural } from "./drawings.ts";
import { cellNames } from "./layout.ts";
import type { Scene, SceneObject } from "./scene.ts";

/** A question about a scene, and its only answer. */
export interface SceneQuestion {
  readonly kind: "where" | "which" | "count" | "digits";
  readonly prompt: string;
  readonly answer: string;
}

const numbers = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

const one = (label: string): string => `${/^[aeio8]/.test(label) ? "an" : "a"} ${label}`;

/** Describes a scene by its objects' labels: "a cat, two dogs and an 8". A lone object is described in one of three ways. */
export function captionOf(labels: readonly string[], seed: number): string {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const parts = [...counts].map(([label, count]) => (count === 1 ? one(label) : `${numbers[count]} ${plural(label)}`));
  if (labels.length === 1) return pick([labels[0]!, parts[0]!, `a picture of ${parts[0]}`], seededRandom(seed))!;
  return parts.length === 1 ? parts[0]! : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** At most one question of each kind, about drawings with these names; only grids have named places. */
export function questionsOf(scene: Scene, names: readonly string[], seed: number): SceneQuestion[] {
  const random = seededRandom(seed);
  const drawn = scene.objects.filter(({ digit }) => !digit);
  const digits = scene.objects.filter(({ digit }) => digit);
  return [
    ...placed(scene.objects, random),
    ...counted(drawn, names, random),
    ...(digits.length === 0 ? [] : [read(digits)]),
  ];
}

function placed(objects: readonly SceneObject[], random: () => number): SceneQuestion[] {
  const inCells = objects.filter(({ cell }) => cell !== undefined);
  const alone = inCells.filter(({ label }) => objects.filter((other) => other.label === label).length === 1);
  const nameOf = ({ cell }: SceneObject) => cellNames[cell!]!;
  const [lone, any] = [pick(alone, random), pick(inCells, random)];
  return [
    ...(lone ? [{ kind: "where" as const, prompt: `where is the ${lone.label}?`, answer: nameOf(lone) }] : []),
    ...(any ? [{ kind: "which" as const, prompt: `what is at the ${nameOf(any)}?`, answer: any.label }] : []),
  ];
}

/** Three in four of these questions ask how often a drawing in the scene occurs; the others ask about any drawing. */
function counted(drawn: readonly SceneObject[], names: readonly string[], random: () => number): SceneQuestion[] {
  const countedLabel = random() < 0.75 ? pick(drawn, random)?.label : pick(names, random);
  if (countedLabel === undefined) return [];
  const count = drawn.filter(({ label }) => label === countedLabel).length;
  return [{ kind: "count", prompt: `how many ${plural(countedLabel)} are there?`, answer: numbers[count]! }];
}

const read = (digits: readonly SceneObject[]): SceneQuestion => ({
  kind: "digits",
  prompt: "which number is written?",
  answer: digits
    .toSorted((a, b) => a.box[0] - b.box[0])
    .map(({ label }) => label)
    .join(""),
});

const pick = <T>(from: readonly T[], random: () => number): T | undefined => from[Math.floor(random() * from.length)];
