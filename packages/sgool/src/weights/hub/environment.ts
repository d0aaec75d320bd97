/** @file The environment variables of the Hugging Face tools: the cache, the Hub, the token. */
import { disk, host, places } from '#platform';
import { UserError } from '../../errors.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as unset. */
function variable(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? places.join(host.homeFolder(), path.slice(1)) : path;
}

/** `HF_HOME`, else `XDG_CACHE_HOME/huggingface`, else `~/.cache/huggingface`. */
function hubHome(env: Environment): string {
  const cache = variable(env, 'XDG_CACHE_HOME') ?? places.join(host.homeFolder(), '.cache');
  return places.resolve(expandHome(variable(env, 'HF_HOME') ?? places.join(cache, 'huggingface')));
}

/**
 * The cache folder that is shared with `huggingface_hub`, `diffusers` and `transformers`: `HF_HUB_CACHE`, else
 * `HUGGINGFACE_HUB_CACHE`, else `hub` in `HF_HOME`, in `XDG_CACHE_HOME/huggingface`, or in `~/.cache/huggingface`.
 */
export function hubCacheDir(env: Environment = host.environment): string {
  const own = variable(env, 'HF_HUB_CACHE') ?? variable(env, 'HUGGINGFACE_HUB_CACHE');
  return own === undefined ? places.join(hubHome(env), 'hub') : places.resolve(expandHome(own));
}

/**
 * The token for private and gated models: `HF_TOKEN`, else the file that `hf auth login` writes (`HF_TOKEN_PATH`,
 * else `HF_HOME/token`; not with `HF_HUB_DISABLE_IMPLICIT_TOKEN`).
 */
export function hubToken(env: Environment = host.environment): string | undefined {
  const own = variable(env, 'HF_TOKEN') ?? variable(env, 'HUGGING_FACE_HUB_TOKEN');
  if (own !== undefined || isOn(env, 'HF_HUB_DISABLE_IMPLICIT_TOKEN')) return own;
  const path = variable(env, 'HF_TOKEN_PATH');
  const text = disk.readText(path ? expandHome(path) : places.join(hubHome(env), 'token'), SIZE_LIMITS.token);
  return text?.trim() || undefined;
}

/**
 * `HF_ENDPOINT` without a slash at its end, or undefined for the public Hub.
 *
 * @throws UserError when it is not an http address
 */
export function hubEndpoint(env: Environment = host.environment): string | undefined {
  const text = variable(env, 'HF_ENDPOINT');
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UserError(
      `HF_ENDPOINT: not usable, got ${text}; give an address that starts with https:// or http://`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new UserError(
      `HF_ENDPOINT: must not hold a name or password, got one for ${url.host}; put the token into HF_TOKEN`,
    );
  }
  return text.replace(/\/+$/, '');
}

/** Whether `HF_HUB_OFFLINE` forbids the network. */
export function isHubOffline(env: Environment = host.environment): boolean {
  return isOn(env, 'HF_HUB_OFFLINE');
}

function isOn(env: Environment, name: string): boolean {
  return /^(1|on|yes|true)$/i.test(variable(env, name) ?? '');
}
