type Count = (text: string) => number;

/**
 * The end of a window of at most `tokens` tokens from `start`, moved back to the end of the last whole word, if any.
 * The window has at least one character.
 */
export function windowEnd(text: string, start: number, tokens: number, countTokens: Count): number {
  const fits = (end: number) => countTokens(text.slice(start, end)) <= tokens;
  // Extends a guess of a few characters per token, then bisects: few texts are tokenized, none of them much
  // longer than the window.
  let [low, high] = [start, Math.min(text.length, start + tokens * 4)];
  while (high < text.length && fits(high)) [low, high] = [high, Math.min(text.length, high + tokens * 2)];
  if (fits(high)) return high;
  while (high - low > 8) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return wordEnd(text, start, low);
}

/** The last end of a word at or before `end`; without one, `end` itself, moved so that no character is split. */
function wordEnd(text: string, start: number, end: number): number {
  for (let i = end; i > start; i--) if (/\s/.test(text[i] ?? " ") && !/\s/.test(text[i - 1]!)) return i;
  const whole = /[\uD800-\uDBFF]/.test(text[end - 1] ?? "") ? end - 1 : end;
  return Math.max(whole, start + (text.codePointAt(start)! > 0xffff ? 2 : 1));
}
