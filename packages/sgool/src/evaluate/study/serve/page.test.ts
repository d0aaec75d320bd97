/** @file The page in a real browser. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Study } from '../study.ts';
import { fakeStudy, serveStudy } from '../testing.ts';
import { type RaterLog, VoteFiles } from '../votes.ts';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** `CHROMIUM`, or what is found in the path. */
const executablePath = [
  process.env.CHROMIUM ?? '',
  ...(process.env.PATH ?? '').split(delimiter).flatMap((dir) => BROWSERS.map((name) => join(dir, name))),
].find((path) => path !== '' && existsSync(path));

let root = '';
let folder = '';
let study: Study;
let browser: Browser;
let server: Awaited<ReturnType<typeof serveStudy>>;
let contexts: BrowserContext[] = [];
/** What pages complained of, and addresses elsewhere that they asked. */
const complaints: string[] = [];

beforeAll(async () => {
  if (executablePath === undefined) return;
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  root = await mkdtemp(join(tmpdir(), 'sgool-study-page-'));
  ({ folder, study } = await fakeStudy(root, { prompts: 3, pairs: 4, checks: 1, side: 64 }));
});
beforeEach(async (context) => {
  if (executablePath === undefined) context.skip('no Chromium is installed');
  server = await serveStudy(folder, study);
});
afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
  await server?.close();
});
afterAll(async () => {
  await browser?.close();
  if (root !== '') await rm(root, { recursive: true });
});

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

async function openPage(options: BrowserContextOptions = DESKTOP, address = server.base): Promise<Page> {
  const context = await browser.newContext(options);
  contexts.push(context);
  return pageIn(context, address);
}

async function pageIn(context: BrowserContext, address = server.base): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(server.base)) complaints.push(request.url());
  });
  await page.goto(address);
  return page;
}

const isReady = (page: Page) =>
  page.waitForFunction(
    () => {
      const { document } = globalThis as never as { document: { querySelector(s: string): unknown } };
      return (
        document.querySelector('#rate:not([hidden]) #pair:not(.loading)') !== null ||
        document.querySelector('#done:not([hidden])') !== null
      );
    },
    undefined,
    { timeout: 10_000 },
  );

/** Answers what is asked, and waits for the next question. */
async function say(page: Page, answer: () => Promise<void>): Promise<void> {
  await isReady(page);
  const asked = `${await page.textContent('#count')} ${await page.textContent('#question')}`;
  // A person needs longer, and a faster key is taken for one that was still down.
  await page.waitForTimeout(230);
  await answer();
  await page.waitForFunction(
    (before) => {
      const { document } = globalThis as never as {
        document: { querySelector(s: string): { textContent: string; hidden: boolean } };
      };
      const text = (id: string) => document.querySelector(id).textContent;
      return !document.querySelector('#done').hidden || `${text('#count')} ${text('#question')}` !== before;
    },
    asked,
    { timeout: 10_000 },
  );
  await isReady(page);
}

const sourceOf = (page: Page, side: string) => page.evaluate(`document.getElementById('${side}-image').src`);
const press = (page: Page, key: string) => say(page, () => page.keyboard.press(key));
const logs = () => new VoteFiles(folder, study).all();
const logOf = async (page: Page): Promise<RaterLog | undefined> => {
  const token = /#rater=([\w-]+)/.exec(page.url())?.[1] ?? '';
  return new VoteFiles(folder, study).find(token);
};
const choices = (log: RaterLog | undefined) => [...(log?.answers.values() ?? [])].map(({ choice }) => choice);

describe('by the keyboard alone', () => {
  it('a rater begins, answers, takes back, skips, and is thanked with own counts only', async () => {
    const page = await openPage();
    await page.waitForSelector('#start:not([hidden])');
    expect(await page.textContent('#start-count')).toBe('5');
    expect(await page.locator('#start-questions li').allTextContents()).toEqual(
      study.questions.map(({ text }) => text),
    );
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.type('Ada 1');
    await page.keyboard.press('Enter');
    await isReady(page);
    // The question of quality comes without the text.
    expect([await page.textContent('#question'), await page.textContent('#text')]).toEqual([
      'Which picture is better?',
      '\u00a0',
    ]);
    await press(page, '1');
    expect(await page.textContent('#question')).toBe('Which picture fits the text better?');
    expect(await page.textContent('#text')).toMatch(/^“a fake prompt <\d> & its "picture"”$/);
    expect(await page.evaluate('document.activeElement.id')).toBe('question');
    expect(await page.textContent('#announce')).toMatch(
      /^Pair 1 of 5\. Which picture fits the text better\? a fake/,
    );
    await press(page, 'ArrowRight');
    expect(await page.textContent('#count')).toBe('Pair 2 of 5');
    await press(page, 'Backspace');
    expect(await page.textContent('#count')).toBe('Pair 1 of 5');
    await press(page, '0');
    for (const key of ['2', ' ', 'ArrowLeft', '1', '2', '0', '1']) await press(page, key);
    await press(page, '2');
    expect(await page.isVisible('#done')).toBe(true);
    const log = await logOf(page);
    expect(choices(log)).toEqual([
      'left',
      'tie',
      'right',
      'skip',
      'left',
      'left',
      'right',
      'tie',
      'left',
      'right',
    ]);
    expect(log?.rater.nick).toBe('Ada 1');
    expect(await page.textContent('#own')).toBe(
      'You compared 5 pairs: you chose a picture 7 times, saw no difference 2 times, and skipped 1 time.',
    );
    expect(await page.textContent('#code')).toBe(log?.rater.rater);
    for (const word of ['sgool', 'best-of', 'check', '%'])
      expect(await page.textContent('#done')).not.toContain(word);
    // What was on the sides is what was seen.
    for (const { left, right, ms } of log?.answers.values() ?? []) {
      expect(
        study.pairs.some(({ a, b }) => [a.id, b.id].toSorted().join() === [left, right].toSorted().join()),
      ).toBe(true);
      expect(ms).toBeGreaterThan(200);
    }
    // The last answer may be taken back even now.
    await page.keyboard.press('Backspace');
    await page.waitForSelector('#rate:not([hidden])');
    expect(complaints).toEqual([]);
  });

  it('a key that is held down answers once, and keys with Ctrl are left alone', async () => {
    const page = await openPage();
    await page.waitForSelector('#start:not([hidden])');
    await page.keyboard.press('1');
    expect((await logs()).length).toBe(1);
    await page.click('#begin');
    await isReady(page);
    await page.waitForTimeout(230);
    for (let i = 0; i < 10; i++) {
      await page.keyboard.down('1');
      await page.waitForTimeout(60);
    }
    await page.keyboard.up('1');
    await page.keyboard.press('Control+0');
    await isReady(page);
    expect(choices(await logOf(page))).toEqual(['left']);
  });

  it('a picture is made larger and small again', async () => {
    const page = await openPage();
    await page.click('#begin');
    await isReady(page);
    await page.keyboard.press('z');
    expect(await sourceOf(page, 'zoom')).toBe(await sourceOf(page, 'left'));
    await page.waitForTimeout(230);
    await page.keyboard.press('2');
    await page.keyboard.press('z');
    expect(await sourceOf(page, 'zoom')).toBe(await sourceOf(page, 'right'));
    await page.keyboard.press('Escape');
    expect(await page.isVisible('#zoom')).toBe(false);
    expect(choices(await logOf(page))).toEqual([]);
  });
});

describe('several raters', () => {
  it('two at once, of whom one closes the page half way and goes on later', async () => {
    const [one, other] = [await openPage(), await openPage(PHONE)];
    await Promise.all([one.click('#begin'), other.click('#begin')]);
    for (const key of ['1', '2', '0']) await Promise.all([press(one, key), press(other, '1')]);
    const before = choices(await logOf(one));
    const address = one.url();
    const context = one.context();
    await one.close();
    await press(other, '2');
    // In the same browser, by the bare address.
    const again = await pageIn(context);
    await isReady(again);
    expect(await again.textContent('#count')).toBe('Pair 2 of 5');
    expect(await again.textContent('#question')).toBe('Which picture fits the text better?');
    expect(again.url()).toBe(address);
    await press(again, '2');
    await again.close();
    // In another browser, by the link.
    const elsewhere = await openPage(PHONE, address);
    await isReady(elsewhere);
    expect(await elsewhere.textContent('#count')).toBe('Pair 3 of 5');
    await press(elsewhere, 'Backspace');
    await press(elsewhere, '1');
    expect(choices(await logOf(elsewhere))).toEqual([...before, 'left']);
    expect(choices(await logOf(other))).toEqual(['left', 'left', 'left', 'right']);
    expect(complaints).toEqual([]);
  });

  it('with the same link in two windows do not answer twice', async () => {
    const page = await openPage();
    await page.click('#begin');
    await press(page, '1');
    const second = await pageIn(page.context(), page.url());
    await press(second, '2');
    // The first window still asks what the second has answered; it learns that, and goes on behind it.
    await page.waitForTimeout(230);
    await page.keyboard.press('1');
    await page.getByText('Pair 2 of 5', { exact: true }).waitFor();
    expect(choices(await logOf(page))).toEqual(['left', 'right']);
    complaints.length = 0; // the browser reports the refusal, 409
  });
});

describe('where the server is away for a while', () => {
  it('says so, and stores the answer once it is back', async () => {
    const page = await openPage();
    await page.click('#begin');
    await press(page, '1');
    const { port } = server;
    await server.close();
    await page.waitForTimeout(230);
    await page.keyboard.press('2');
    await page.waitForSelector('#problem:not([hidden])');
    expect(await page.textContent('#problem')).toContain('not stored yet');
    server = await serveStudy(folder, study, { port });
    await page.waitForSelector('#problem', { state: 'hidden', timeout: 10_000 });
    await isReady(page);
    expect(choices(await logOf(page))).toEqual(['left', 'right']);
    complaints.length = 0; // the browser reports the connections that failed
  });
});

describe('on a screen', () => {
  it.each([
    ['phone', PHONE],
    ['phone, turned', { ...PHONE, viewport: { width: 844, height: 390 } }],
    ['small phone', { ...PHONE, viewport: { width: 320, height: 568 } }],
    ['desktop', DESKTOP],
  ])('of a %s everything is in sight, large and apart, and answered by a touch', async (_, options) => {
    const page = await openPage(options);
    await page.waitForSelector('#start:not([hidden])');
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await page.click('#begin');
    await isReady(page);
    const { width, height } = options.viewport;
    const boxes = await Promise.all(
      ['#question', '#left', '#right', '#undo', '#tie', '#skip'].map(async (id) => {
        const box = await page.locator(id).boundingBox();
        if (box === null) throw new Error(`${id} is not there`);
        return { id, ...box };
      }),
    );
    for (const box of boxes) {
      expect([
        box.id,
        box.x >= 0,
        box.x + box.width <= width,
        box.y >= 0,
        box.y + box.height <= height,
      ]).toEqual([box.id, ...Array(4).fill(true)]);
      if (box.id !== '#question') expect(Math.min(box.width, box.height)).toBeGreaterThanOrEqual(44);
    }
    const [, left, right] = boxes;
    expect(left.width).toBeCloseTo(right.width, 0);
    expect(left.width).toBeCloseTo(left.height, 0);
    expect(left.width).toBeGreaterThan(0.38 * Math.min(width, height));
    expect(left.x + left.width <= right.x || left.y + left.height <= right.y).toBe(true);
    expect(height > width ? right.y > left.y : right.x > left.x).toBe(true);
    const touch = 'hasTouch' in options;
    const use = (id: string) => (touch ? page.tap(id) : page.click(id));
    for (const id of ['#right', '#tie', '#undo']) await say(page, () => use(id));
    expect(choices(await logOf(page))).toEqual(['right']);
    await use('.zoom[data-side=right]');
    expect(await page.isVisible('#zoom')).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('is dark or light as the rater wishes, and its text can be read in both', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await openPage({ ...DESKTOP, colorScheme });
      await page.waitForSelector('#start:not([hidden])');
      for (const id of ['#start h1', '#start p', '#start .quiet', '#begin']) {
        const [ink, ground] = (await page.evaluate(`(() => {
          const of = (node, key) => getComputedStyle(node)[key];
          const node = document.querySelector('${id}');
          let under = node;
          while (of(under, 'backgroundColor') === 'rgba(0, 0, 0, 0)') under = under.parentElement;
          return [of(node, 'color'), of(under, 'backgroundColor')];
        })()`)) as [string, string];
        expect([colorScheme, id, contrast(ink, ground) >= 4.5]).toEqual([colorScheme, id, true]);
      }
    }
  });

  it('says what is stored, and has a name for every control', async () => {
    const page = await openPage();
    await page.waitForSelector('#start:not([hidden])');
    expect(await page.textContent('#start')).toMatch(/What is stored.*Nothing else: no name, no address/s);
    await page.click('#begin');
    await isReady(page);
    const names = await page.locator('#rate button').evaluateAll((buttons) =>
      buttons.map((button) => {
        const { textContent, getAttribute } = button as never as {
          textContent: string;
          getAttribute(name: string): string | null;
        };
        return (getAttribute.call(button, 'aria-label') ?? textContent).trim();
      }),
    );
    expect(names).toHaveLength(7);
    for (const name of names) expect(name).toMatch(/[a-z]{4}/);
    expect(new Set(names).size).toBe(7);
    expect(await page.getAttribute('html', 'lang')).toBe('en');
  });
});

/** Ratio of two colours. Reference: WCAG 2.2, relative luminance. */
function contrast(one: string, other: string): number {
  const luminance = (css: string) => {
    const [r, g, b] = (css.match(/\d+/g) ?? []).map((part) => {
      const value = Number(part) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
