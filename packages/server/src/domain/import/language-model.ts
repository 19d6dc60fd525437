/**
 * How likely a letter follows another in English, as code lengths: what `entropy.ts` tells language from noise with.
 *
 * One row for each letter before (a to z, then anything that separates words), one base-36 digit for each that follows, in
 * half bits. Measured over 5.4 million letters of English technical prose. Each row is normalised when it is read, so that
 * it is a proper code (Kraft's sum is 1).
 */

const rows = [
  'ia98ifbmaid796obo776ccghcl7', // a
  '7ede4hlk88l6dk8go9cg7llk8i5', // b
  '7idi7im6ak89fl4ho9d69hmofo8', // c
  '9hh94hgg7lmcgg9iodbhajmmeo2', // d
  '9f97cbfigelbb7gce679icfbgo3', // e
  '7hfg88oo5oobkh5oo9bb9ooo9o4', // f
  'clgk5gca5omceabhoaae9jjogk3', // g
  '6nnm3nno7oojgi8knbf79okoio6', // h
  'cc9ab9aokog8a47bmb75kcodoec', // i
  '8lek4njjdjbgji8hik2iacilgoc', // j
  '8dhf3cdg7kmghcbcmh8ddnfoem3', // k
  '8eia5gim6ki6ji7fohaaaeio9o5', // l
  '5bib4lfm7hma9i78nlcjbiolhn5', // m
  '9l878d6kbifehd7foj86denodm4', // n
  'fba8g9cmfhea75cao5b99cajhk6', // o
  '6lgc6kfe9oi7ei79o6779gmkeo7', // p
  'hicmnljofjfchlkhbifi1nkjkh8', // q
  '8icd4eak7occbb7io999cdhobo5', // r
  'blbk6hkb8ogfgiabkh96ahjldo3', // s
  '9lef6hk57omehj7ao9a9cognbo4', // t
  'c8bd8bbm9ok697i8o666mioimla', // u
  '5lhn2neo7onkffbnonekfjnmmn5', // v
  '6kki7ng54olgka7mo99klnblko6', // w
  '7i9g6hmh7nlgdhh5ohf5glkfek4', // x
  '9efjclgmdoocca87oe9cimgmkk1', // y
  '6lge3lgc7ke9ek9hhielfkhhb86', // z
  '7979a9aa8egb9999j986bb9iekn', // separator
]

const separatorIndex = 26
/** Half of the separators' code space goes to the usual four, the rest to the other 29 printable ones of ASCII. */
const usualSeparators = '-_. '
const usualSeparatorBits = 3
const otherSeparatorBits = 1 + Math.log2(29)

const upperAfterLowerBits = 4
const lowerAfterLowerBits = -Math.log2(15 / 16)
const afterUpperBits = 1

const model: readonly (readonly number[])[] = rows.map((row) => {
  const bits = Array.from(row, (digit) => Number.parseInt(digit, 36) / 2)
  const sum = bits.reduce((total, value) => total + 2 ** -value, 0)
  return bits.map((value) => value + Math.log2(sum))
})

/**
 * Bits of the character at a place of a lower-case text, given the one before; undefined for what is no part of language
 * here: digits, and anything outside of printable ASCII.
 */
export function languageBits(lower: string, at: number): number | undefined {
  const character = lower.charAt(at)
  const index = letterIndex(character)
  const bits = model[letterIndex(lower.charAt(at - 1))]?.[index]
  if (bits === undefined || index < separatorIndex) return bits
  if (!/^[!-/:-@[-`{-~ ]$/.test(character)) return undefined
  return bits + (usualSeparators.includes(character) ? usualSeparatorBits : otherSeparatorBits)
}

/** Bits that tell whether the character at a place is an upper-case letter, given the one before. */
export function caseBits(text: string, at: number): number {
  const character = text.charAt(at)
  if (!/[A-Za-z]/.test(character)) return 0
  if (/[A-Z]/.test(text.charAt(at - 1))) return afterUpperBits
  return /[A-Z]/.test(character) ? upperAfterLowerBits : lowerAfterLowerBits
}

function letterIndex(character: string): number {
  const index = character.charCodeAt(0) - 97
  return index >= 0 && index < separatorIndex ? index : separatorIndex
}
