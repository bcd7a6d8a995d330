import type { Canvas } from "./raster.ts";

/** A near-white, grey or pastel colour. */
export const pale = (random: () => number): number[] => {
  const level = 150 + 90 * random();
  return [0, 1, 2].map(() => Math.min(255, level + 30 * (random() - 0.5)));
};

/** Paints the background: one colour, darker towards the bottom; with clutter, discs and bars of other colours. */
export function paintBackground({ size, rgb }: Canvas, cluttered: boolean, random: () => number): void {
  const [colour, fall] = [pale(random), random() * 50];
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let channel = 0; channel < 3; channel++)
        rgb[(y * size + x) * 3 + channel] = Math.max(0, colour[channel]! - (fall * y) / size);
  if (!cluttered) return;
  const shapes = 4 + Math.floor(random() * 9);
  for (let i = 0; i < shapes; i++) paintShape({ size, rgb }, random);
}

function paintShape({ size, rgb }: Pick<Canvas, "size" | "rgb">, random: () => number): void {
  const colour = [0, 1, 2].map(() => 60 + 190 * random());
  const [cx, cy, angle] = [random() * size, random() * size, random() * Math.PI];
  const [long, short] = [size * (0.05 + 0.35 * random()), size * (0.02 + 0.1 * random())];
  const round = random() < 0.5;
  const opacity = 0.3 + 0.6 * random();
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const along = (x - cx) * Math.cos(angle) + (y - cy) * Math.sin(angle);
      const across = (y - cy) * Math.cos(angle) - (x - cx) * Math.sin(angle);
      const inside = round ? Math.hypot(along, across) < long / 2 : Math.abs(along) < long && Math.abs(across) < short;
      if (!inside) continue;
      const at = (y * size + x) * 3;
      for (let channel = 0; channel < 3; channel++)
        rgb[at + channel] = rgb[at + channel]! * (1 - opacity) + colour[channel]! * opacity;
    }
}
