import { expect, it } from 'vitest';
import cases from '../../../../fixtures/data/text/mojibake.json' with { type: 'json' };
import { fixText } from './ftfy.ts';
import { unescapeHtml } from './html-entities.ts';

it("repairs text as ftfy and Python's html module do", () => {
  for (const [text, fixed, unescaped] of cases) {
    expect(fixText(text), text).toBe(fixed);
    expect(unescapeHtml(text), text).toBe(unescaped);
  }
});
