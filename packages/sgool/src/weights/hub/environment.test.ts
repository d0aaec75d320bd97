import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { hubCacheDir, hubEndpoint, hubToken, isHubOffline } from './environment.ts';

const all = {
  HF_HUB_CACHE: '/a',
  HUGGINGFACE_HUB_CACHE: '/b',
  HF_HOME: '/c',
  XDG_CACHE_HOME: '/d',
};

it('the cache is where the first of the known variables says', () => {
  const without = (...names: string[]) =>
    hubCacheDir(Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name))));
  expect(without()).toBe('/a');
  expect(without('HF_HUB_CACHE')).toBe('/b');
  expect(without('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE')).toBe('/c/hub');
  expect(without('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HOME')).toBe('/d/huggingface/hub');
  expect(hubCacheDir({})).toBe(path.join(homedir(), '.cache/huggingface/hub'));
  expect(hubCacheDir({ HF_HUB_CACHE: '', HF_HOME: '~/models' })).toBe(path.join(homedir(), 'models/hub'));
});

it('the token is that of the variable, else that of the login file', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'sgool-token-'));
  await writeFile(path.join(home, 'token'), 'hf_file\n');
  expect(hubToken({ HF_HOME: home })).toBe('hf_file');
  expect(hubToken({ HF_HOME: home, HF_TOKEN: 'hf_own' })).toBe('hf_own');
  expect(hubToken({ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).toBeUndefined();
  expect(hubToken({ HF_HOME: path.join(home, 'nowhere') })).toBeUndefined();
  await rm(home, { recursive: true });
});

it('endpoint and offline', () => {
  expect(hubEndpoint({})).toBeUndefined();
  expect(hubEndpoint({ HF_ENDPOINT: 'https://mirror.example/hub/' })).toBe('https://mirror.example/hub');
  expect(() => hubEndpoint({ HF_ENDPOINT: 'file:///etc' })).toThrow(/HF_ENDPOINT: not usable, got file/);
  expect(['1', 'ON', 'yes', 'True'].every((value) => isHubOffline({ HF_HUB_OFFLINE: value }))).toBe(true);
  expect(['', '0', 'no', undefined].some((value) => isHubOffline({ HF_HUB_OFFLINE: value }))).toBe(false);
});
