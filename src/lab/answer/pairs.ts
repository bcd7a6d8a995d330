/** A piece of a text: its tokens, of which those from `from` on are scored. */
export interface Window {
  readonly tokens: readonly number[];
  readonly from: number;
}

/**
 * A text in windows of the context's length, each token predicted once: the first window after the starting token, each further one after
 * the last token before it, and the last one, which is shorter, after as much text as fits (lm-evaluation-harness's rolling windows).
 */
export function windows(text: readonly number[], start: number, context: number): Window[] {
  const all = [start, ...text];
  const found: Window[] = [];
  for (let at = 1; at < all.length; at += context) {
    const end = Math.min(at + context, all.length);
    const first = Math.max(0, Math.min(at - 1, end - 1 - context));
    found.push({ tokens: all.slice(first, end), from: at - first });
  }
  return found;
}
