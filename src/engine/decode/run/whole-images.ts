/** An image's tokens in a prompt, which see each other; `to` is exclusive. */
export interface WholeImage {
  readonly from: number;
  readonly to: number;
}

/** Finds the images of a prompt: adjacent ids below 0 are the rows of one image. */
export function wholeImagesIn(prompt: readonly number[]): WholeImage[] {
  const images: WholeImage[] = [];
  for (let from = 0; from < prompt.length; from++) {
    let to = from;
    while (to < prompt.length && prompt[to]! < 0) to++;
    if (to > from) images.push({ from, to });
    from = to;
  }
  return images;
}

/** For each of these prompt tokens, the number of later tokens that it sees. */
export const aheadOf = (images: readonly WholeImage[], positions: readonly number[]): number[] =>
  positions.map((position) => {
    const own = images.find(({ from, to }) => from <= position && position < to);
    return own ? own.to - 1 - position : 0;
  });

/** True if any of the tokens from `past` to `end`, exclusive, sees a later token. */
export const looksAhead = (images: readonly WholeImage[], past: number, end: number): boolean =>
  images.some(({ from, to }) => from < end && past < to - 1);

/** `end`, unless it is inside an image; then the image's start, or its end if the start is not after `past`. */
export function undividedEnd(images: readonly WholeImage[], past: number, end: number): number {
  const divided = images.find(({ from, to }) => from < end && end < to);
  if (!divided) return end;
  return divided.from > past ? divided.from : divided.to;
}
