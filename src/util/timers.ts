/** Milliseconds that a timer of Node's can wait, 24 days; one that is set for longer ends at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;
