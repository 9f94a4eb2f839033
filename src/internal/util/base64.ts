/** Bytes to encode at a time: a multiple of three, so that the parts can be joined, and few enough to be arguments. */
const SLICE_BYTES = 3 * 2048

/** Encodes a text that comes in pieces as the base64 of its UTF-8 bytes. A surrogate pair must be in one piece. */
export class Base64Encoder {
  private readonly encoder = new TextEncoder()
  private readonly parts: Array<string> = []
  private text = ""
  /** The bytes that do not fill a group of three yet. */
  private rest = new Uint8Array(0)

  add(text: string): void {
    this.text += text
    if (this.text.length >= SLICE_BYTES) {
      this.encode(false)
    }
  }

  finish(): string {
    this.encode(true)
    return this.parts.join("")
  }

  private encode(isLast: boolean): void {
    const bytes = this.prependRest(this.encoder.encode(this.text))
    const end = isLast ? bytes.length : bytes.length - (bytes.length % 3)
    for (let start = 0; start < end; start += SLICE_BYTES) {
      this.parts.push(btoa(String.fromCharCode(...bytes.subarray(start, Math.min(start + SLICE_BYTES, end)))))
    }
    this.text = ""
    this.rest = bytes.slice(end)
  }

  private prependRest(added: Uint8Array): Uint8Array {
    if (this.rest.length === 0) {
      return added
    }
    const bytes = new Uint8Array(this.rest.length + added.length)
    bytes.set(this.rest)
    bytes.set(added, this.rest.length)
    return bytes
  }
}

/** Encodes a text as the base64 of its UTF-8 bytes. Effect's Encoding takes ten times as long for a large text. */
export const encodeBase64 = (text: string): string => {
  const encoder = new Base64Encoder()
  encoder.add(text)
  return encoder.finish()
}
