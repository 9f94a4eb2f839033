/**
 * The same text as V8 keeps property names: one object for all that are equal, which a comparison sees at once. Literals
 * are kept so too.
 */
export const intern = (text: string): string => Object.keys({ [text]: true })[0] as string
