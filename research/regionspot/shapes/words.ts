/** The words of the world of shapes: every object is named by its texture, colour and shape. */

/** Colours by red, green and blue; backgrounds are paler than all of them. */
export const colours = {
  red: [220, 40, 40],
  orange: [245, 140, 30],
  yellow: [240, 215, 40],
  green: [50, 165, 70],
  blue: [50, 90, 230],
  purple: [150, 60, 190],
  brown: [120, 75, 40],
  black: [25, 25, 25],
} as const;
export type ColourName = keyof typeof colours;
export const colourNames = Object.keys(colours) as ColourName[];

export const textureNames = ["solid", "striped", "dotted"] as const;
export type TextureName = (typeof textureNames)[number];

export const shapeNames = ["square", "triangle", "star", "cross", "ring", "heart", "moon", "arrow"] as const;
export type ShapeName = (typeof shapeNames)[number];

/** The look of an object. */
export interface Look {
  readonly texture: TextureName;
  readonly colour: ColourName;
  readonly shape: ShapeName;
}

/** All looks, 3 × 8 × 8. */
export const looks: readonly Look[] = textureNames.flatMap((texture) =>
  colourNames.flatMap((colour) => shapeNames.map((shape) => ({ texture, colour, shape }))),
);

export const labelOf = ({ texture, colour, shape }: Look): string => `${texture} ${colour} ${shape}`;
