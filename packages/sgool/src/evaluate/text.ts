/** @file Texts by others as documents show them: nothing in them changes the document or is lost. */

/**
 * A text whose control characters can be seen and do nothing: those of ASCII as their pictures, others, marks of direction
 * and halves of characters as U+FFFD. Line ends and tabs become spaces.
 */
export function printable(text: string): string {
  return [...text.replace(/[\t\n\r]+/g, ' ')].map(shown).join('');
}

const REPLACED = '\ufffd';

function shown(sign: string): string {
  const code = sign.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  const isControl = code >= 0x80 && code <= 0x9f;
  const isDirection = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const isHalf = code >= 0xd800 && code <= 0xdfff;
  const isNone = code === 0xfffe || code === 0xffff;
  return isControl || isDirection || isHalf || isNone ? REPLACED : sign;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** The text in HTML, XML or SVG, in an element or in an attribute within quotes. */
export function escapeMarkup(text: string): string {
  return printable(text).replace(/[&<>"']/g, (sign) => ENTITIES[sign]);
}
