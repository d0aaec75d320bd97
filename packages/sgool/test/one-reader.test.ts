/** Files are opened for reading in one place, and JSON is parsed in one: what is promised of them there holds everywhere. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SOURCES = fileURLToPath(new URL('../src', import.meta.url));

async function sources(): Promise<{ name: string; text: string }[]> {
  const names = (await readdir(SOURCES, { recursive: true })).map((name) => name.replaceAll('\\', '/'));
  const own = names.filter(
    (name) => name.endsWith('.ts') && !/(\.test\.ts$|(^|\/)testing(\.ts$|\/))/.test(name),
  );
  return Promise.all(own.map(async (name) => ({ name, text: await readFile(join(SOURCES, name), 'utf8') })));
}

/** What of `node:fs` gives the bytes of a file. `open` is checked by its flags. */
const READS = /^(read|readv|createReadStream|opendir|openAsBlob|cp|watch)(?!dir|link)/;

function faults(name: string, text: string): string[] {
  const found: string[] = [];
  for (const [statement, what] of text.matchAll(
    /import\s+([^;]*?)\s+from\s+'(?:node:)?fs(?:\/promises)?'/g,
  )) {
    const names = /^(?:type )?\{(.*)\}$/s.exec(what)?.[1];
    if (names === undefined) found.push(`${name}: ${statement} hides what is used`);
    for (const one of names?.split(',').map((part) => part.trim()) ?? []) {
      if (READS.test(one)) found.push(`${name}: ${one}`);
    }
  }
  if (/(?:require|import)\(\s*'(?:node:)?fs/.test(text)) found.push(`${name}: loads fs by a call`);
  // A file that is opened to be written or made.
  for (const [call] of text.matchAll(/\b(?:await open|openSync)\((?!\)|\()[^;]*;/g)) {
    if (!/'wx'|'r\+' : 'w'|FLAGS\.write/.test(call)) found.push(`${name}: ${call}`);
  }
  return found;
}

/** Who may open files: with a reason for each. */
const READERS: Readonly<Record<string, string>> = {
  'platform/plain-file.ts': 'the one reader',
  'platform/process-mark.ts': 'what the system says of processes, which is no plain file',
  'evaluate/study/votes.ts': 'opens a file of votes to add to it, and reads its last byte',
  'weights/sources/atomic-file.ts': 'opens folders and files that it has made, to flush them',
};

describe('the one reader', () => {
  it('is the only one that opens files to read them', async () => {
    const all = await sources();
    expect(all.length).toBeGreaterThan(200);
    const others = all.filter(({ name }) => !Object.hasOwn(READERS, name));
    expect(others.flatMap(({ name, text }) => faults(name, text))).toEqual([]);
  });

  it.each([
    "import { readFile } from 'node:fs/promises';",
    "import { existsSync, readFileSync } from 'node:fs';",
    "import { createReadStream } from 'fs';",
    "import * as fs from 'node:fs';",
    "import fs from 'node:fs';",
    "const fs = await import('node:fs');",
    "const file = await open(path, 'r');",
    'const file = await open(path);',
  ])('this test would notice: %s', (text) => {
    expect(faults('x.ts', text)).toHaveLength(1);
  });

  it('gives a limit to every whole file', async () => {
    const all = await sources();
    const calls = all.flatMap(({ text }) => [
      ...text.matchAll(/\b(?:files|disk)\.read(?:Text|Bytes)\([^;]*/g),
    ]);
    expect(calls.length).toBeGreaterThan(10);
    for (const [call] of calls) expect(call).toMatch(/SIZE_LIMITS\.|limit/);
  });
});

it('nothing is written to stdout and stderr but through a Terminal', async () => {
  const found = (await sources()).filter(({ text }) =>
    // Examples in comments may write what they like.
    /\bconsole\.|process\.std(?:out|err)\b|writeSync\(\s*(?:STDOUT|1|2)\b/.test(
      text.replace(/^\s*\*.*$/gm, ''),
    ),
  );
  // `main.ts` hands the process over to `terminal/output.ts`.
  expect(found).toEqual([]);
});

/** Who may call `fetch` itself: with a reason for each. */
const REQUESTERS: Readonly<Record<string, string>> = {
  'platform/http.ts': 'listens to its signal itself, which `fetch` of Node 20 may forget',
  'platform/web.ts': 'files of a page, which no signal stops',
  'evaluate/study/serve/page-script.ts': "the study's page, in the browser",
};

it('answers over HTTP are waited for and read in one place', async () => {
  const found = (await sources()).filter(
    ({ name, text }) =>
      /\bfetch\(|getReader\(|await \(?[^\n]*\.body\b/.test(text.replace(/^\s*\*.*$/gm, '')) &&
      !Object.hasOwn(REQUESTERS, name),
  );
  expect(found.map(({ name }) => name)).toEqual([]);
});

/** Where text is parsed as JSON that is not a file's, or has rules of its own. */
const PARSERS: Readonly<Record<string, string>> = {
  'platform/json.ts': 'the one parser',
  'weights/formats/safetensors-header.ts': 'the rules of the reference, which are stricter',
  'image/parameters.ts': 'one quoted value of a text',
};

it('JSON is parsed in one place', async () => {
  const found = (await sources()).filter(({ text }) => text.includes('JSON.parse(')).map(({ name }) => name);
  expect(found.filter((name) => !(name in PARSERS) && name !== 'cli/version.ts')).toEqual([]);
});
