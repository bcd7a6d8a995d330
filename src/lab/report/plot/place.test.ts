import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { type LabelledPoint, markOf, overlap, placeLabels } from "./place.ts";

const area = { left: 50, top: 20, right: 740, bottom: 360 };

/** Lists misplaced labels: outside the area, or over a mark or another label. */
function faults(points: readonly LabelledPoint[]): string[] {
  const labels = placeLabels(points, area, []);
  const boxes = [...labels, ...points.map(markOf)];
  return labels.flatMap((label, i) => {
    const outside =
      label.left < area.left || label.right > area.right || label.top < area.top || label.bottom > area.bottom;
    const over = boxes.flatMap((box, j) => (i !== j && overlap(label, box) ? [`${i} over ${j}`] : []));
    return outside ? [`${i} is outside`, ...over] : over;
  });
}

test("labels of points at random, close together, or at one place do not overlap", () => {
  const random = seededRandom(1);
  for (const spread of [1, 30, 300]) {
    for (let run = 0; run < 20; run++) {
      const points = Array.from({ length: 12 }, () => ({
        ...{ x: 395 + (random() - 0.5) * spread, y: 190 + (random() - 0.5) * spread },
        width: 12 + Math.floor(random() * 3) * 14,
      }));
      expect(faults(points)).toEqual([]);
    }
  }
  expect(faults(Array.from({ length: 12 }, () => ({ x: 735, y: 25, width: 20 })))).toEqual([]);
});

test("a lone point's label stands beside it, off the line through it", () => {
  const point = { x: 300, y: 200, width: 40 };
  const level = { left: 0, right: 800, top: 199, bottom: 201 };
  const [label] = placeLabels([point], area, [level]);
  expect(overlap(label!, level)).toBe(false);
  expect(Math.hypot((label!.left + label!.right) / 2 - 300, (label!.top + label!.bottom) / 2 - 200)).toBeLessThan(50);
});
