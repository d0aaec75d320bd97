import { describe, expect, it } from 'vitest';
import { Terminal } from './terminal.ts';

function terminal(isTTY: boolean) {
  const written: string[] = [];
  const out = new Terminal({ write: (text) => written.push(String(text)), isTTY, columns: 80 });
  return { out, written };
}

/** What acts on a terminal, or shows a text in another order, and how it is shown. */
const ACTIVE = [
  ['ESC', '\u001b[2J', '\\u001b[2J'],
  ['the 8-bit CSI', '\u009b2J', '\\u009b2J'],
  ['a title', '\u001b]0;x\u0007', '\\u001b]0;x\\u0007'],
  ['CR', 'safe\rfake', 'safe\\u000dfake'],
  ['backspace', 'a\bb', 'a\\u0008b'],
  ['NUL', 'a\0b', 'a\\u0000b'],
  ['DEL', 'a\u007fb', 'a\\u007fb'],
  ['right-to-left override', 'a\u202eb', 'a\\u202eb'],
  ['an isolate', 'a\u2066b', 'a\\u2066b'],
  ['a line separator', 'a\u2028b', 'a\\u2028b'],
] as const;

describe('Terminal', () => {
  it.each(ACTIVE)('shows %s', (_, text, shown) => {
    for (const isTTY of [true, false]) {
      const { out, written } = terminal(isTTY);
      out.write(`${text}\n`);
      expect(written).toEqual([`${shown}\n`]);
    }
  });

  it.each(ACTIVE)('keeps %s in data for programs, and shows it on a terminal', (_, text, shown) => {
    const [pipe, screen] = [terminal(false), terminal(true)];
    pipe.out.data(text);
    screen.out.data(text);
    expect([pipe.written, screen.written]).toEqual([[text], [shown]]);
  });

  it('leaves letters of any script, emoji and the lines of CSV', () => {
    const { out, written } = terminal(true);
    out.write('naïve Кот 猫 قطة 👩‍🎨\n');
    out.data('a,b\r\nc,d\r\n');
    expect(written).toEqual(['naïve Кот 猫 قطة 👩‍🎨\n', 'a,b\r\nc,d\r\n']);
  });

  it('changes no JSON value', () => {
    const value = { name: ACTIVE.map(([, text]) => text).join(' ') };
    const { out, written } = terminal(false);
    out.write(JSON.stringify(value));
    expect(JSON.parse(written[0])).toEqual(value);
  });

  it('has one sequence of its own', () => {
    const { out, written } = terminal(true);
    out.clearLine();
    expect([written, out.isTTY, out.columns]).toEqual([['\r\u001b[2K'], true, 80]);
  });
});
