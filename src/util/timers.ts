/** The longest delay of a Node timer in milliseconds, about 24 days; a timer with a longer delay fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;
