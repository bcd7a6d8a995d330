import sharp from "sharp";

/** Pixels of a picture's side, and between pictures. */
export const SIDE = 240;
const GAP = 8;

/** Rectangles over the cells of a grid, each with a darkness from 0 to 1, for an SVG of SIDE pixels. */
export function shades(darkness: readonly number[], [rows, columns]: readonly [rows: number, columns: number]): string {
  const [wide, high] = [SIDE / columns, SIDE / rows];
  const cells = darkness.map((dark, i) => {
    const [x, y] = [wide * (i % columns), high * Math.floor(i / columns)];
    return `<rect x="${x}" y="${y}" width="${wide + 0.5}" height="${high + 0.5}" fill-opacity="${dark.toFixed(2)}"/>`;
  });
  return cells.join("");
}

/** A drawing of SIDE pixels. */
export const svgOf = (content: string): Buffer =>
  Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}">${content}</svg>`);

/** A PNG with rows of pictures of SIDE pixels, with room for `columns` in each. */
export function sheetOf(rows: readonly (readonly Uint8Array[])[], columns: number): Promise<Buffer> {
  const step = SIDE + GAP;
  const size = { width: columns * step + GAP, height: rows.length * step + GAP };
  const placed = rows.flatMap((row, y) =>
    row.map((input, x) => ({ input: Buffer.from(input), left: GAP + x * step, top: GAP + y * step })),
  );
  const create = { ...size, channels: 3 as const, background: "#808080" };
  return sharp({ create }).composite(placed).png({ palette: true }).toBuffer();
}
