/** @file HTML character references, as Python's `html.unescape` reads them. CLIP was trained on captions from web pages. */
import { INVALID_NUMBERS, LEGACY_ENTITIES, NUMBERS, PACKED_ENTITIES } from './html5-entities.ts';

/** The longest number of digits that can name a character, with room for zeros in front. */
const MAX_DIGITS = 4000;

function unpackEntities(): Map<string, string> {
  const parts = PACKED_ENTITIES.split(' ');
  const found = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) {
    const codes = parts[i + 1].split('-').map((code) => Number.parseInt(code, 16));
    found.set(`${parts[i]};`, String.fromCodePoint(...codes));
  }
  for (const name of LEGACY_ENTITIES.split(' ')) found.set(name, found.get(`${name};`) ?? '');
  return found;
}

let unpacked: Map<string, string> | undefined;

/** Characters by the names of HTML 5; those that need a semicolon have it at the end. */
export function htmlEntities(): ReadonlyMap<string, string> {
  return (unpacked ??= unpackEntities());
}

const INVALID = new Set(INVALID_NUMBERS);

function numbered(code: number): string {
  const meant = NUMBERS[code];
  if (meant !== undefined) return meant;
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd';
  return INVALID.has(code) ? '' : String.fromCodePoint(code);
}

function named(name: string): string {
  const entities = htmlEntities();
  const whole = entities.get(name);
  if (whole !== undefined) return whole;
  for (let length = name.length - 1; length > 1; length--) {
    const start = entities.get(name.slice(0, length));
    if (start !== undefined) return start + name.slice(length);
  }
  return `&${name}`;
}

/** Replaces character references. Reference: Python, `html.unescape`; HTML 5, section 13.2.5.73. */
export function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(
    /&(?:#(\d+);?|#[xX]([0-9a-fA-F]+);?|([^\t\n\f <&#;]{1,32};?))/gu,
    (whole: string, decimal?: string, hex?: string, name?: string) => {
      if (whole.length > MAX_DIGITS) return '\ufffd';
      if (decimal !== undefined) return numbered(Number.parseInt(decimal, 10));
      if (hex !== undefined) return numbered(Number.parseInt(hex, 16));
      return named(name ?? '');
    },
  );
}
