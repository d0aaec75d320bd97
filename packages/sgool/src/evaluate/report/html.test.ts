import { describe, expect, it } from 'vitest';
import { csvText } from '../csv-text.ts';
import { escapeMarkup, printable } from '../text.ts';
import { html, Markup, table } from './html.ts';

describe('texts by others', () => {
  const cases: readonly [name: string, text: string, shown: string][] = [
    ['plain letters of any alphabet', 'a café 猫 😀', 'a café 猫 😀'],
    ['line ends and tabs', 'a\r\n\tb', 'a b'],
    ['control characters', 'a\u0000\u001b[31mb\u007f', 'a␀␛[31mb␡'],
    ['control characters beyond ASCII', 'a\u0085\u009bb', 'a\ufffd\ufffdb'],
    ['marks of direction', 'a\u202eb\u2066c', 'a\ufffdb\ufffdc'],
    ['halves of characters', 'a\ud800b\udfff', 'a\ufffdb\ufffd'],
    ['what is no character', 'a\uffffb', 'a\ufffdb'],
  ];
  it.each(cases)('can be seen and do nothing: %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('are escaped in HTML, in elements and in attributes', () => {
    const text = `<img src=x onerror="alert('1')"> & &lt;`;
    const escaped = '&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt; &amp; &amp;lt;';
    expect(escapeMarkup(text)).toBe(escaped);
    expect(html`<p title="${text}">${text}</p>`.text).toBe(`<p title="${escaped}">${escaped}</p>`);
  });
});

describe('HTML', () => {
  it('marks rows of a table that are of a kind', () => {
    const columns = [{ title: 'n', isNumber: true, cell: (row: number) => row }];
    const { text } = table('numbers', columns, [1, 2], (row) => (row === 2 ? 'whole' : undefined));
    expect(text).toContain('<tr><th scope="row">1</th></tr>');
    expect(text).toContain('<tr class="whole"><th scope="row">2</th></tr>');
    expect(table('numbers', columns, [1]).text).not.toContain('<tr class');
  });

  it('takes numbers, lists and HTML, and leaves out what is not there', () => {
    expect(html`${1}${[html`<b>${'<'}</b>`, 'x']}${undefined}${false}${new Markup('<i>')}`.text).toBe(
      '1<b>&lt;</b>x<i>',
    );
    expect(html`\n${0}`.text).toBe('\n0');
  });

  it('has tables with a caption, scopes and a box that the keyboard reaches', () => {
    const { text } = table(
      'a "caption"',
      [
        { title: 'name', cell: ({ name }: { name: string; size: number }) => name },
        { title: 'size', isNumber: true, cell: ({ size }) => size },
      ],
      [{ name: 'x', size: 2 }],
    );
    expect(text).toContain('role="region" tabindex="0" aria-label="a &quot;caption&quot;"');
    expect(text).toContain('<caption>a &quot;caption&quot;</caption>');
    expect(text).toContain('<th scope="col">name</th><th scope="col" class="n">size</th>');
    expect(text).toContain('<th scope="row">x</th><td class="n">2</td>');
  });
});

describe('CSV', () => {
  it('quotes what would end a field, and leaves empty what is not there', () => {
    expect(
      csvText(
        ['a', 'b'],
        [
          ['x, "y"\nz', null],
          [1.5, undefined],
          [' edge', true],
        ],
      ),
    ).toBe('a,b\r\n"x, ""y""\nz",\r\n1.5,\r\n" edge",true\r\n');
  });

  it('keeps a spreadsheet from running a text as a formula, and leaves numbers', () => {
    const rows = ['=A1', '+1', '-1', '@x', '\t=A1', 'a=b'].map((text) => [text, -1]);
    expect(csvText(['t', 'n'], rows)).toBe(
      "t,n\r\n'=A1,-1\r\n'+1,-1\r\n'-1,-1\r\n'@x,-1\r\n'\t=A1,-1\r\na=b,-1\r\n",
    );
  });
});
