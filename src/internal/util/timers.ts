/** Timers hold 31 bits of milliseconds; a longer sleep would never end. */
export const MAX_SLEEP_MILLIS = 2 ** 30
