/**
 * The longest sleep. Timers count milliseconds in 31 bits, and a longer delay overflows.
 */
export const MAX_SLEEP_MILLIS = 2 ** 30
