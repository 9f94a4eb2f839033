/**
 * Parses RFC 3339 dates like the official engine (chrono's `DateTime::parse_from_rfc3339`): `t`, `T` or a space before
 * the time, `z` or `Z`, any number of fraction digits, second 60 (read as 59), U+2212 as a minus sign.
 */

const pattern = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|([+\-\u2212])(\d{2}):([0-5]\d))$/

const MAX_OFFSET_SECONDS = 86_400

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0

const daysInMonth = (year: number, month: number): number =>
  month === 2 ? (isLeap(year) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31

/** Days from 1970-01-01 in the proleptic Gregorian calendar, with March as the first month of a year. */
const daysFromEpoch = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

/** Whole seconds since the epoch, rounded down; `undefined` if the text is not an RFC 3339 date and time. */
export const parseSeconds = (text: string): number | undefined => {
  const match = pattern.exec(text)
  if (match === null) {
    return undefined
  }
  const year = Number(match[1])
  const month = Number(match[2])
  const day = Number(match[3])
  const hour = Number(match[4])
  const minute = Number(match[5])
  const second = Number(match[6])
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) {
    return undefined
  }
  if (hour > 23 || minute > 59 || second > 60) {
    return undefined
  }
  const offset = match[7] === undefined ? 0 : Number(match[8]) * 3600 + Number(match[9]) * 60
  if (offset >= MAX_OFFSET_SECONDS) {
    return undefined
  }
  const local = daysFromEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + Math.min(second, 59)
  return match[7] === "+" ? local - offset : local + offset
}
