/**
 * A value that must not be seen: a bearer secret, a token, key material. Printing, logging or serialising it shows `[secret]`.
 * The text comes out through `reveal()` alone, which only a few named files may call (`tidy.test.ts` holds the list).
 */
const shown = '[secret]'

export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself, for the one answer that shows it and for hashing. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return shown
  }

  toJSON(): string {
    return shown
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shown
  }
}
