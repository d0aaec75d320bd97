/** @file Arrays of bytes. */

/** Puts arrays of bytes one behind the other. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Base64 of bytes. */
export function base64(bytes: Uint8Array): string {
  // `String.fromCharCode` takes some tens of thousands of arguments.
  const piece = 2 ** 13;
  let text = '';
  for (let at = 0; at < bytes.length; at += piece) {
    text += String.fromCharCode(...bytes.subarray(at, at + piece));
  }
  return btoa(text);
}

/** The bytes of a text in base64; undefined where it is something else. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let letters: string;
  try {
    letters = atob(text);
  } catch {
    return undefined;
  }
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
