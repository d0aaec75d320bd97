/** The page of a report in a real browser. Skipped where no Chromium is installed. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../src/evaluate/report/write-report.ts';
import { fakeEvaluation } from '../src/evaluate/testing.ts';

const CHROMIUM = [
  process.env.CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== '' && existsSync(path));

/** What a page finds of itself; written as text, because it runs in the browser. */
const CHECKS = `() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const of = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * of(r) + 0.7152 * of(g) + 0.0722 * of(b);
  };
  const groundOf = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(one).backgroundColor);
      if (a > 0 && r !== undefined) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let [texts, least, worst] = [0, Infinity, ''];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (text === '' || !element.checkVisibility?.()) continue;
    if (element.closest('title, style')) continue;
    texts++;
    const style = getComputedStyle(element);
    const letters = parse(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(letters), light(groundOf(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least) [least, worst] = [contrast, text];
  }
  const small = [...document.querySelectorAll('.figures svg[role=img]')].map((svg) => {
    const scale = svg.getBoundingClientRect().width / 360;
    return Math.min(...[...svg.querySelectorAll('text')].map((text) => scale * parseFloat(getComputedStyle(text).fontSize)));
  });
  const overlaps = [];
  for (const svg of document.querySelectorAll('.figures svg[role=img]')) {
    const boxes = [...svg.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]);
    const frame = svg.getBoundingClientRect();
    boxes.forEach(([text, a], i) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1) overlaps.push(text + ' | edge');
      for (const [other, b] of boxes.slice(i + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 3) overlaps.push(text + ' | ' + other);
      }
    });
  }
  return {
    width: document.documentElement.scrollWidth,
    window: innerWidth,
    texts, least, worst, overlaps,
    smallest: Math.min(...small),
    tables: [...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).length,
  };
}`;

interface Found {
  readonly width: number;
  readonly window: number;
  readonly texts: number;
  readonly least: number;
  readonly worst: string;
  readonly overlaps: readonly string[];
  readonly smallest: number;
  readonly tables: number;
}

describe.skipIf(CHROMIUM === undefined)(
  'the page of a report in Chromium (skipped where none is installed)',
  () => {
    let folder = '';
    let address = '';
    let browser: Browser;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sgool-report-page-'));
      const fake = await fakeEvaluation(join(folder, 'fake'), {
        prompts: 9,
        side: 32,
        failed: ['2'],
        methods: [
          { label: 'sd', gain: 0, calls: 10 },
          { label: 'best-of', gain: 0.05, calls: 180 },
          { label: 'sgool', gain: 0.1, calls: 200 },
          { label: 'a method with quite a long name, as users write them', gain: 0.06, calls: 210 },
        ],
      });
      const long = `${'unbroken'.repeat(40)} <script>alert(1)</script>\u202e\u0007`;
      const { manifest } = fake;
      const suites = manifest.suites.map((suite) => ({
        ...suite,
        prompts: suite.prompts.map((prompt, i) => (i === 3 ? { ...prompt, text: long } : prompt)),
      }));
      const { page } = await writeReport({ ...fake, manifest: { ...manifest, suites } });
      address = pathToFileURL(page).href;
      // As root, as in most containers, Chromium has no sandbox.
      const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
      browser = await chromium.launch({ executablePath: CHROMIUM, args });
    });
    afterAll(async () => {
      await browser?.close();
      await rm(folder, { recursive: true });
    });

    const SCREENS = [
      { width: 390, height: 844, colorScheme: 'light' },
      { width: 390, height: 844, colorScheme: 'dark' },
      { width: 1280, height: 900, colorScheme: 'light' },
      { width: 1280, height: 900, colorScheme: 'dark' },
    ] as const;

    it.each(SCREENS)(
      'fits, is legible and asks for nothing: $width pixels, $colorScheme',
      async ({ width, height, colorScheme }) => {
        const page = await browser.newPage({ viewport: { width, height }, colorScheme });
        const said: string[] = [];
        const asked: string[] = [];
        page.on('console', (message) => said.push(message.text()));
        page.on('pageerror', (error) => said.push(error.message));
        page.on('request', (request) => asked.push(request.url()));
        await page.goto(address);
        const checks = async () => (await page.evaluate(`(${CHECKS})()`)) as Found;
        for (const isOpen of [false, true]) {
          if (isOpen)
            await page.evaluate(
              `document.querySelectorAll('details').forEach((one) => { one.open = true; })`,
            );
          const found = await checks();
          expect(found.width).toBeLessThanOrEqual(found.window);
          expect(found.texts).toBeGreaterThan(300);
          expect(found.least, `contrast of "${found.worst}"`).toBeGreaterThanOrEqual(4.5);
          expect(found.overlaps).toEqual([]);
          expect(found.smallest).toBeGreaterThanOrEqual(10);
          // On a phone wide tables scroll in a box of their own.
          if (width === 390) expect(found.tables).toBeGreaterThan(0);
        }
        expect(said).toEqual([]);
        expect(asked.filter((url) => url !== address && !url.startsWith('data:'))).toEqual([]);
        await page.close();
      },
    );

    it('takes the salient boxes away by the keyboard, without a script', async () => {
      const context = await browser.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      await page.goto(address);
      const box = page.locator('.rows .framed svg').first();
      expect(await box.isVisible()).toBe(true);
      await page.locator('#boxes').focus();
      await page.keyboard.press('Space');
      expect(await box.isVisible()).toBe(false);
      await context.close();
    });

    it('prints: no page of it is wider than the paper, and it is dark on white', async () => {
      const page = await browser.newPage({ colorScheme: 'dark' });
      await page.goto(address);
      await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
      const ground = await page.evaluate(`getComputedStyle(document.body).backgroundColor`);
      expect(ground).toBe('rgb(255, 255, 255)');
      const pdf = join(folder, 'report.pdf');
      await writeFile(pdf, await page.pdf({ format: 'A4' }));
      expect((await readFile(pdf)).subarray(0, 5).toString()).toBe('%PDF-');
      await page.close();
    });
  },
);
