import { expect, it } from 'vitest';
import { fitNotes } from './fit-notes.ts';

const all = { truncated: false, kept: 3, lost: 0, unknown: [] };

it('says nothing of a text that is read whole', () => {
  expect(fitNotes('prompt', 'toybox', all)).toEqual([]);
});

it('says what is cut off, and which words mean nothing', () => {
  const fit = { truncated: true, kept: 3, lost: 2, unknown: ['dragon', 'cas\u001btle'] };
  expect(fitNotes('prompt', 'toybox', fit)).toEqual([
    'the prompt is too long for toybox: its first 3 tokens are used, the last 2 are left out',
    'the vocabulary of toybox lacks words of the prompt, which mean nothing to it: dragon, cas\\u001btle',
  ]);
});

it('names ten words, and how many more there are', () => {
  const unknown = Array.from({ length: 12 }, (_, i) => `w${i}`);
  expect(fitNotes('prompt', 'toybox', { ...all, unknown })[0]).toMatch(/: w0, w1, .*, w9 and 2 more$/);
  expect(fitNotes('prompt', 'toybox', { ...all, unknown: unknown.slice(2) })[0]).toMatch(/w10, w11$/);
});
