/**
 * Interns a text as V8 interns property names and literals: equal texts become one object, so comparing them is cheap.
 */
export const intern = (text: string): string => Object.keys({ [text]: true })[0] as string
