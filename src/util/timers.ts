/** The longest wait of a Node timer in milliseconds, 24 days; a longer timer fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;
