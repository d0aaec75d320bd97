/** @file A Hub that is broken or means harm, for tests: it answers what a test wants. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect } from 'vitest';
import { UserError } from '../../../errors.ts';
import type { HubLimits } from '../limits.ts';
import { type PullOptions, pullModel } from '../pull.ts';
import { type FakeHub, fakePipeline, startHub } from '../testing.ts';

export const ID = 'somebody/model';
export const COMMIT = 'c'.repeat(40);
export const UNET = 'unet/diffusion_pytorch_model.safetensors';
export const TOKEN = 'hf_secret';

/** The Hub of the test that runs. */
export let hub: FakeHub;
/** Starts it; before each test. */
export async function openHub(): Promise<void> {
  hub = await startHub({ [ID]: fakePipeline() });
}

const LIMITS: Partial<HubLimits> = {
  retries: 2,
  retryDelay: 1,
  longestWait: 50,
  // Longer than a busy machine needs for anything here.
  stall: 30_000,
  lowestSpeed: 1000,
};
/** For what is slower than the lowest speed. */
export const IMPATIENT = { stall: 150 };
export const pull = (network: Partial<HubLimits> = {}, options: PullOptions = {}) =>
  pullModel(ID, { env: { ...hub.env, HF_TOKEN: TOKEN }, network: { ...LIMITS, ...network }, ...options });

/** The one line with which a pull fails, and the seconds until then. */
export async function failure(network: Partial<HubLimits> = {}): Promise<string> {
  const error: unknown = await pull(network).then(
    () => expect.unreachable('it should have failed'),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as Error;
  expect(message).not.toMatch(/\n|hf_secret/);
  return message;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;
/** Answers the requests whose path matches; counts them. */
export function answer(where: RegExp, handle: Handler, isStorage = false): { count: number } {
  const seen = { count: 0 };
  hub.intercept = (request, response, atStorage) => {
    if (atStorage !== isStorage || !where.test(decodeURIComponent(request.url ?? ''))) return false;
    seen.count++;
    handle(request, response);
    return true;
  };
  return seen;
}

export const LIST = /\/api\/models\/.*\/tree\//;
export const QUESTION = /\/api\/models\/.*\/revision\//;
export const CONTENT = /\/resolve\//;
export const json = (response: ServerResponse, value: unknown, headers: Record<string, string> = {}) =>
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));

/** Sends pieces until the other side has had enough. */
export function endless(response: ServerResponse, piece: Uint8Array | string, pause = 0) {
  let sent = 0;
  const more = (): void => {
    if (response.destroyed) return;
    sent += piece.length;
    const next = () => (pause > 0 ? setTimeout(more, pause) : setImmediate(more));
    if (response.write(piece)) next();
    else response.once('drain', next);
  };
  more();
  return () => sent;
}
