/** @file The documents name only what exists: files behind links, sources in recipes. Workflow and templates are valid. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const list = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'];
const documents = execFileSync('git', list, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);

/** The anchors that GitHub gives the headings of a document. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('documents', () => {
  it.each(documents)('%s links to files and headings that exist', (document) => {
    const broken = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target)
      .filter((target) => !/^(https?|mailto):/.test(target))
      .filter((target) => {
        const [path, anchor] = target.split('#');
        const file = path === '' ? document : join(dirname(document), path);
        if (!existsSync(join(root, file))) return true;
        return anchor !== undefined && file.endsWith('.md') && !anchorsOf(read(file)).includes(anchor);
      });
    expect(broken).toEqual([]);
  });

  it.each(['CONTRIBUTING.md', 'docs/glossary.md'])('%s names sources that exist', (document) => {
    const places = ['.', 'packages/sgool', 'packages/sgool/src', 'packages/autodiff'];
    const named = [...read(document).matchAll(/`([\w.-]+\/[\w./*-]*)`/g)].map(([, path]) =>
      path.replace(/\*.*$/, ''),
    );
    const missing = named.filter((path) => !places.some((place) => existsSync(join(root, place, path))));
    expect(named.length).toBeGreaterThan(20);
    expect(missing).toEqual([]);
  });
});

describe('promises', () => {
  const rows = read('docs/promises.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('](../'))
    .map((line) => line.split(' | '));

  it.each(rows)('%s is held by tests that exist', (_, tests) => {
    for (const part of tests.split('; ')) {
      const [, path, names] = /^\[[\w.-]+\]\(\.\.\/(\S+\.test\.ts)\): (`.+`)/.exec(part) ?? [];
      expect(path, part).toBeDefined();
      const quoted = [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
      expect(quoted.length).toBeGreaterThan(0);
      // As the test is written: with its placeholders.
      const missing = quoted.filter((name) => !read(path).includes(name));
      expect(missing).toEqual([]);
    }
  });

  it('are many', () => {
    expect(rows.length).toBeGreaterThan(20);
  });
});

describe('the workflow', () => {
  it('runs what the CI runs, on three systems and three versions of Node', () => {
    const { test } = parse(read('.github/workflows/ci.yml')).jobs;
    expect(test.strategy.matrix.node).toEqual([20, 22, 24]);
    expect(test.strategy.matrix.os).toEqual(['ubuntu-latest', 'macos-latest', 'windows-latest']);
    expect(test.steps.at(-1).run).toBe('.ci/run');
    expect(test.defaults.run.shell).toBe('bash');
  });

  it('of the night runs commands that exist, in time for the morning', () => {
    const { on, jobs } = parse(read('.github/workflows/nightly.yml'));
    const { scripts } = JSON.parse(read('package.json'));
    expect(on.schedule).toHaveLength(1);
    const commands = Object.values<{ steps: { run?: string }[] }>(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ run }) => /npm run (\S+)/.exec(run ?? '')?.[1] ?? []),
    );
    expect(commands).toEqual(['fuzz', 'test:mutants']);
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
  });

  it.each(readdirSync(join(root, '.github/ISSUE_TEMPLATE')))('%s is an issue template', (name) => {
    const form = parse(read(`.github/ISSUE_TEMPLATE/${name}`));
    if (name === 'config.yml') return expect(form.contact_links[0].url).toMatch(/^https:/);
    expect(form).toMatchObject({
      name: expect.any(String),
      description: expect.any(String),
      body: expect.any(Array),
    });
    for (const { type, id, attributes } of form.body) {
      expect(['input', 'textarea', 'dropdown', 'checkboxes']).toContain(type);
      expect([id, attributes.label]).toEqual([expect.any(String), expect.any(String)]);
    }
  });
});
