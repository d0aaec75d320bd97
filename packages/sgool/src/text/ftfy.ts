/**
 * @file Repairs of text that went through the wrong encoding or a word processor, which CLIP's training applied to captions.
 * Reference: ftfy 6.3 (Robyn Speer, Apache License 2.0), `fix_text` with its default configuration
 */
import {
  ALTERED_UTF8,
  BADNESS,
  CONTROL_CHARACTERS,
  DOUBLE_QUOTES,
  ENCODINGS,
  HTML_REFERENCE,
  LIGATURES,
  LOSSY_UTF8,
  SINGLE_QUOTES,
  UTF8_DETECTOR,
} from './ftfy-tables.ts';
import { htmlEntities, unescapeHtml } from './html-entities.ts';

/** A pattern of Python's `re` for text. */
function textPattern(source: string, flags = 'gu'): RegExp {
  const python = source
    .replaceAll('\\w', '[\\p{L}\\p{N}_]')
    .replaceAll('\\s', '[\\p{White_Space}\\x1c-\\x1f]')
    .replaceAll('\u0412.[', '\u0412[^\\n][');
  return new RegExp(python, flags);
}

const BAD = textPattern(BADNESS, 'u');
const EMBEDDED = textPattern(UTF8_DETECTOR);
const ALTERED = new RegExp(ALTERED_UTF8, 'g');
const LOSSY = new RegExp(LOSSY_UTF8, 'g');
const SINGLE = textPattern(SINGLE_QUOTES);
const DOUBLE = textPattern(DOUBLE_QUOTES);
const REFERENCE = textPattern(HTML_REFERENCE);
const CONTROLS = new Set(CONTROL_CHARACTERS);
const C1 = /[\x80-\x9f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins what is removed
const ANSI = /\x1b\[((?:\d|;)*)([a-zA-Z])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
const ASCII = /^[\x00-\x7f]*$/;
/** "Ã la mode" was "à la mode": the space stays. */
const A_GRAVE_WORD = /\xc3 (?! |quele|quela|quilo|s )/g;

/** U+FFFD in an encoding that was read sloppily. */
const SUBSTITUTE = 0x1a;
const REPLACEMENT = '\ufffd';

/** Bytes by character for each encoding; bytes of ASCII are their own. */
const byteMaps = new Map(
  Object.entries(ENCODINGS).map(([name, upper]) => {
    const bytes = new Map(Array.from({ length: 0x80 }, (_, byte) => [String.fromCharCode(byte), byte]));
    Array.from(upper).forEach((character, i) => {
      bytes.set(character, 0x80 + i);
    });
    if (name.startsWith('sloppy')) {
      bytes.delete(String.fromCharCode(SUBSTITUTE));
      bytes.set(REPLACEMENT, SUBSTITUTE);
    }
    return [name, bytes] as const;
  }),
);

/** The text as bytes, each a character up to U+00FF; undefined where the encoding lacks a character. */
function encoded(text: string, bytes: ReadonlyMap<string, number>): string | undefined {
  let out = '';
  for (const character of text) {
    const byte = bytes.get(character);
    if (byte === undefined) return undefined;
    out += String.fromCharCode(byte);
  }
  return out;
}

const toBytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Strict UTF-8; undefined where the bytes are something else. */
function decodeUtf8(bytes: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(toBytes(bytes));
  } catch {
    return undefined;
  }
}

/** UTF-8 where surrogates may be encoded on their own (CESU-8) and U+0000 as two bytes (Java). */
function decodeUtf8Variants(bytes: string): string | undefined {
  const parts = bytes.split(/(\xc0\x80|\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf])/);
  let out = '';
  for (const [i, part] of parts.entries()) {
    if (i % 2 === 0) {
      const plain = decodeUtf8(part);
      if (plain === undefined) return undefined;
      out += plain;
    } else if (part.length === 2) {
      out += '\0';
    } else {
      const [, high, middle, , low, last] = toBytes(part);
      const code = ((high & 0x0f) << 16) + ((middle & 0x3f) << 10) + ((low & 0x0f) << 6) + (last & 0x3f);
      out += String.fromCodePoint(code + 0x10000);
    }
  }
  return out;
}

/** Puts 0xa0 back where it was made a space in the middle of UTF-8. */
function restoreByteA0(bytes: string): string {
  return bytes.replace(A_GRAVE_WORD, '\xc3\xa0 ').replace(ALTERED, (match) => match.replaceAll(' ', '\xa0'));
}

function decodedFrom(encoding: string, bytes: string): string | undefined {
  ALTERED.lastIndex = 0;
  const restored = encoding !== 'macroman' && ALTERED.test(bytes) ? restoreByteA0(bytes) : bytes;
  const whole = encoding.startsWith('sloppy') ? restored.replace(LOSSY, '\xef\xbf\xbd') : restored;
  return /[\xed\xc0]/.test(whole) ? decodeUtf8Variants(whole) : decodeUtf8(whole);
}

const WINDOWS_1252 = ENCODINGS['sloppy-windows-1252'];
const fixC1Controls = (text: string) =>
  text.replace(C1, (character) => WINDOWS_1252[character.charCodeAt(0) - 0x80]);

function fixEncodingOnce(text: string): string {
  if (ASCII.test(text) || !BAD.test(text)) return text;
  for (const [encoding, bytesOf] of byteMaps) {
    const bytes = encoded(text, bytesOf);
    if (bytes === undefined) continue;
    const decoded = decodedFrom(encoding, bytes);
    if (decoded !== undefined) return decoded;
  }
  const mended = text.replace(EMBEDDED, (match) =>
    match.length < text.length && BAD.test(match) ? fixEncoding(match) : match,
  );
  if (mended !== text) return mended;
  // Latin-1 that was meant as Windows-1252 holds C1 controls.
  return fixC1Controls(text);
}

function fixEncoding(text: string): string {
  for (let now = text; ; ) {
    const next = fixEncodingOnce(now);
    if (next === now) return now;
    now = next;
  }
}

/** Unlike HTML's own rules, only references with a semicolon, and names in capitals too. */
function unescapeReferences(text: string): string {
  return text.replace(REFERENCE, (reference) => {
    const name = reference.slice(1);
    const exact = htmlEntities().get(name);
    if (exact !== undefined) return exact;
    if (name.startsWith('#')) {
      const unescaped = unescapeHtml(reference);
      return unescaped.includes(';') ? reference : unescaped;
    }
    const lower = htmlEntities().get(name.toLowerCase());
    const isUpper = name === name.toUpperCase() && unescapeHtml(reference) === reference;
    return isUpper && lower !== undefined ? lower.toUpperCase() : reference;
  });
}

/** Full-width and half-width forms as ordinary characters. */
function fixWidth(text: string): string {
  return text
    .replaceAll('\u3000', ' ')
    .replace(/[\uff01-\uffef]/g, (character) => character.normalize('NFKC'));
}

function fixCharacters(text: string): string {
  const plain = Array.from(fixC1Controls(text), (character) => {
    return LIGATURES[character.codePointAt(0) ?? 0] ?? character;
  }).join('');
  const straight = fixWidth(plain).replace(DOUBLE, '"').replace(SINGLE, "'");
  const lines = straight.replace(/\r\n|[\r\u2028\u2029\x85]/g, '\n').replace(/\p{Cs}/gu, REPLACEMENT);
  return Array.from(lines.replace(ANSI, ''))
    .filter((character) => !CONTROLS.has(character.codePointAt(0) ?? 0))
    .join('')
    .normalize('NFC');
}

/**
 * Repairs a text: HTML references (unless it holds `<`), characters that went through the wrong encoding, ligatures, full-width forms,
 * curly quotes, line breaks, control characters; composed (NFC).
 */
export function fixText(text: string): string {
  let isHtml = false;
  return (text.match(/[^\n]*\n|[^\n]+/g) ?? [])
    .map((line) => {
      isHtml ||= line.includes('<');
      for (let now = line; ; ) {
        const next = fixCharacters(fixEncoding(isHtml ? now : unescapeReferences(now)));
        if (next === now) return now;
        now = next;
      }
    })
    .join('');
}
