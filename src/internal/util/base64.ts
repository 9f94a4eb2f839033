/** Bytes to encode at a time: a multiple of three, so that the parts can be joined, and few enough to be arguments. */
const SLICE_BYTES = 3 * 2048

/** Encodes a text as the base64 of its UTF-8 bytes. Effect's Encoding takes ten times as long for a large text. */
export const encodeBase64 = (text: string): string => {
  const bytes = new TextEncoder().encode(text)
  const parts: Array<string> = []
  for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(start, start + SLICE_BYTES))))
  }
  return parts.join("")
}
