/**
 * A conservative estimate of how many bits a guesser must search for an imported raw credential. It is a plausibility check
 * of what an operator brings along (refused as weak below 128 bits), no proof: text from a bad generator looks random too.
 *
 * Method
 * 1. Labels in front (`sk_live_`, `acme-prod-`) and repeated parts count nothing. A UUID counts what its version leaves to
 *    chance: 122 bits for version 4, 74 for version 7, none otherwise.
 * 2. The rest first counts as if random: length x log2 of the smallest usual alphabet that holds it (decimal, hex, letters
 *    of one case, base32, base36, base62, plus each other character that occurs).
 * 3. Then several codes try to write it shorter: as pieces between separators, by skewed or few characters, and by a parse
 *    into runs, sequences, keyboard walks, repetitions, numbers, years, common words (with usual substitutions) and English-like
 *    letters. Text that turns out to be hex or base64 of printable text is estimated as that text.
 * 4. Twelve lower-case letters and more with nothing else count 3 bits each: generators do not write so, people of all
 *    languages do.
 * 5. By Kraft's inequality a text drawn at random is written `significantBits` shorter by a given code in one case of
 *    2^20 at most. So shorter by less is chance and changes nothing, which is what keeps a random credential at its full
 *    count. Shorter by that much is structure, and then the estimate is what a guesser would pay who knows the structure
 *    (2 bits a letter of language, 8 a common word), which is less still.
 *
 * Without hyphens a UUID cannot be told from 32 random hex digits and counts 128. Only the first 256 characters count.
 */
import { commonWords } from './common-words.ts'
import { caseBits, languageBits } from './language-model.ts'

const lengthMax = 256
const significantBits = 20
const decodeDepthMax = 2
/** Shortest decoded text that is printable by chance less than once in 2^20: (95 / 256) ^ 14. */
const decodedBytesMin = 14

const uuidForm = /(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])/gi
const label = /^(?:[a-z]{2,16}|[A-Z]{2,16}|[A-Z][a-z]{1,15})[0-9]{0,2}[-_.:/ ]+/
const uuidRandomBits: Readonly<Record<string, number>> = { '4': 122, '7': 74 }

const lowerCaseText = /^[a-z]{12,}$/
const lowerCaseLetterBits = 3

/** Bits of flag in front of a structured token; eight kinds of them share a quarter of the code space. */
const flagBits = 5
const literalFlagBits = -Math.log2(3 / 4)
/** Leaving a stretch of language takes a 32nd part of its code space. */
const leaveBits = 5
const stayBits = -Math.log2(31 / 32)
const digitBits = Math.log2(10)
const yearBits = Math.log2(200)
const wordLength = { min: 3, max: 12 }
const repeatLength = { min: 3, max: 64 }
const sequences = ['qwertyuiop', 'asdfghjkl', 'zxcvbnm', '1234567890', 'qwertzuiop', '1qaz2wsx3edc4rfv5tgb']

/** What a guesser pays who knows the structure, in bits. */
const price = { letter: 2, separator: 1, word: 8, year: 6, run: 2, walk: 3, repetition: 3 } as const

/** What it takes to write a text in some code, and what it takes to guess it when its structure is known. */
interface Cost {
  readonly code: number
  readonly guess: number
}

/** Estimated entropy of a credential in bits, 0 and up. */
export function estimateEntropyBits(text: string): number {
  return estimate(text.slice(0, lengthMax), 0)
}

function estimate(text: string, depth: number): number {
  const uuids = new Set(Array.from(text.matchAll(uuidForm), ([uuid]) => uuid.toLowerCase()))
  if (uuids.size === 0) return estimateWithoutLabels(text, depth)
  let bits = estimateWithoutLabels(text.replaceAll(uuidForm, ''), depth)
  for (const uuid of uuids) {
    const digits = uuid.replaceAll('-', '')
    bits += Math.min(uuidRandomBits[digits.charAt(12)] ?? 0, estimatePiece(digits, depth))
  }
  return bits
}

function estimateWithoutLabels(text: string, depth: number): number {
  let rest = text
  for (let found = label.exec(rest); found !== null; found = label.exec(rest)) rest = rest.slice(found[0].length)
  rest = rest.replace(/=+$/, '')
  const whole = estimatePiece(rest, depth)
  const pieces = new Set(rest.split(/[^A-Za-z0-9]+/).filter((piece) => piece !== ''))
  if (pieces.size < 2 && pieces.has(rest)) return whole
  let sum = 0
  for (const piece of pieces) sum += estimatePiece(piece, depth)
  return whole - sum >= significantBits ? sum : whole
}

/** The estimate of one text by all codes but the splitting into pieces. */
function estimatePiece(text: string, depth: number): number {
  const decoded = depth < decodeDepthMax ? decodePrintable(text) : undefined
  if (decoded !== undefined) return Math.min(estimate(decoded, depth + 1), uniformBits(text))
  const uniform = lowerCaseText.test(text) ? text.length * lowerCaseLetterBits : uniformBits(text)
  const skewed = skewedBits(text)
  const candidates: readonly Cost[] = [parse(text), { code: skewed, guess: skewed }]
  return Math.min(
    uniform,
    ...candidates.filter(({ code }) => uniform - code >= significantBits).map(({ guess }) => guess),
  )
}

function uniformBits(text: string): number {
  return text.length * Math.log2(alphabetSize(text))
}

/** Size of the smallest usual alphabet that holds the text. */
function alphabetSize(text: string): number {
  const alphanumeric = text.replace(/[^A-Za-z0-9]/g, '')
  const others = new Set(text.replace(/[A-Za-z0-9]/g, '')).size
  return Math.max(1, alphanumericSize(alphanumeric) + others)
}

function alphanumericSize(text: string): number {
  if (text === '') return 0
  if (/^[0-9]+$/.test(text)) return 10
  if (/^[0-9a-f]+$/i.test(text)) return 16
  if (/^(?:[a-z]+|[A-Z]+)$/.test(text)) return 26
  if (/^(?:[a-z2-7]+|[A-Z2-7]+)$/.test(text)) return 32
  if (/^(?:[a-z0-9]+|[A-Z0-9]+)$/.test(text)) return 36
  // A short base62 text often lacks digits, so letters of both cases are taken for base62.
  return 62
}

/** Length of the text in the Krichevsky-Trofimov code, which learns how often each character comes. */
function skewedBits(text: string): number {
  const size = alphabetSize(text)
  const seen = new Map<string, number>()
  let bits = 0
  let before = 0
  for (const character of text) {
    const count = seen.get(character) ?? 0
    bits -= Math.log2((count + 0.5) / (before + size / 2))
    seen.set(character, count + 1)
    before++
  }
  return bits
}

/** The cheapest way to write a text as literals and structured tokens. Quadratic in its length, which is bounded. */
function parse(text: string): Cost {
  const lower = text.toLowerCase()
  const characterBits = Math.log2(alphabetSize(text))
  const literal = { code: characterBits + literalFlagBits, guess: characterBits }
  const none: Cost = { code: Number.POSITIVE_INFINITY, guess: Number.POSITIVE_INFINITY }
  const plain: Cost[] = Array.from({ length: text.length + 1 }, () => none)
  const language: Cost[] = Array.from({ length: text.length + 1 }, () => none)
  plain[0] = { code: 0, guess: 0 }
  for (let at = 0; at <= text.length; at++) {
    plain[at] = cheaper(plain[at] ?? none, plus(language[at] ?? none, leaveBits, 0))
    const here = plain[at] ?? none
    if (at === text.length) break
    const step = (length: number, code: number, guess: number) => {
      plain[at + length] = cheaper(plain[at + length] ?? none, plus(here, code, guess))
    }
    step(1, literal.code, literal.guess)
    for (const token of tokensAt(text, lower, at)) step(token.length, flagBits + token.code, token.guess)
    const inLanguage = cheaper(language[at] ?? none, plus(here, flagBits, 0))
    const letterBits = languageBits(lower, at)
    if (letterBits !== undefined) {
      const guess = /[a-z]/.test(lower.charAt(at)) ? price.letter : price.separator
      const next = plus(inLanguage, stayBits + letterBits + caseBits(text, at), guess)
      language[at + 1] = cheaper(language[at + 1] ?? none, next)
    }
  }
  return plain[text.length] ?? none
}

interface Token extends Cost {
  readonly length: number
}

/** The structured tokens that begin at a place, without their flag. */
function tokensAt(text: string, lower: string, at: number): readonly Token[] {
  const tokens: Token[] = []
  const run = runLength(text, at)
  if (run >= 2) tokens.push({ length: run, code: gammaBits(run), guess: price.run })
  const walk = walkLength(lower, at)
  if (walk >= 2) tokens.push({ length: walk, code: 2 + gammaBits(walk), guess: price.walk })
  const repeated = repeatedLength(lower, at)
  if (repeated >= repeatLength.min) {
    tokens.push({ length: repeated, code: Math.log2(at) + gammaBits(repeated), guess: price.repetition })
  }
  const digits = /^[0-9]{2,}/.exec(text.slice(at))?.[0].length ?? 0
  if (digits > 0)
    tokens.push({ length: digits, code: gammaBits(digits) + digits * digitBits, guess: digits * digitBits })
  if (/^(?:19|20)[0-9]{2}/.test(text.slice(at, at + 4))) tokens.push({ length: 4, code: yearBits, guess: price.year })
  const wordBits = Math.log2(commonWords.size)
  for (let length = wordLength.min; length <= Math.min(wordLength.max, text.length - at); length++) {
    const word = lower.slice(at, at + length)
    const isCommon = commonWords.has(word)
    if (isCommon || commonWords.has(withoutSubstitutions(word))) {
      tokens.push({ length, code: wordBits + (isCommon ? 2 : 4), guess: price.word })
    }
  }
  return tokens
}

/** How many characters from here on are the one before. */
function runLength(text: string, at: number): number {
  const before = text[at - 1]
  let length = 0
  while (before !== undefined && text[at + length] === before) length++
  return length
}

/** How many characters from here on continue a walk, up or down the alphabet, the digits or a row of keys. */
function walkLength(lower: string, at: number): number {
  let longest = 0
  for (const next of [successor, predecessor]) {
    let length = 0
    while (at > 0 && at + length < lower.length && next(lower.charAt(at + length - 1), lower.charAt(at + length)))
      length++
    longest = Math.max(longest, length)
  }
  return longest
}

function successor(before: string, character: string): boolean {
  const isNext = character.charCodeAt(0) - before.charCodeAt(0) === 1
  return isNext || sequences.some((row) => row.includes(before + character))
}

function predecessor(before: string, character: string): boolean {
  return successor(character, before)
}

/** How many characters from here on have stood earlier in the text. */
function repeatedLength(lower: string, at: number): number {
  let longest = 0
  for (let from = 0; from < at; from++) {
    let length = 0
    while (length < repeatLength.max && at + length < lower.length && lower[from + length] === lower[at + length])
      length++
    longest = Math.max(longest, length)
  }
  return longest
}

function withoutSubstitutions(word: string): string {
  return word.replace(
    /[013457@$!]/g,
    (sign) => ({ '0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '@': 'a', $: 's' })[sign] ?? 'i',
  )
}

/** The text behind a hex or base64 text, when it is printable throughout and long enough for that to be no chance. */
function decodePrintable(text: string): string | undefined {
  const encodings = [
    { encoding: 'hex', form: /^(?:[0-9a-f]{2})+$/i },
    { encoding: 'base64', form: /^[A-Za-z0-9+/]+$/ },
    { encoding: 'base64url', form: /^[A-Za-z0-9_-]+$/ },
  ] as const
  for (const { encoding, form } of encodings) {
    if (!form.test(text)) continue
    const decoded = Buffer.from(text, encoding)
    if (decoded.length >= decodedBytesMin && decoded.every((byte) => byte >= 0x20 && byte <= 0x7e)) {
      return decoded.toString('latin1')
    }
  }
  return undefined
}

/** Length of a positive integer in Elias' gamma code. */
function gammaBits(value: number): number {
  return 2 * Math.floor(Math.log2(value)) + 1
}

function plus(cost: Cost, code: number, guess: number): Cost {
  return { code: cost.code + code, guess: cost.guess + guess }
}

function cheaper(a: Cost, b: Cost): Cost {
  return b.code < a.code ? b : a
}
