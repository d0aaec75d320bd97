/**
 * @file The text that image generators store in PNG files under the keyword `parameters`, in the grammar of AUTOMATIC1111's
 * web UI, which most tools read: the prompt, `Negative prompt: ...`, and a last line of settings.
 * Reference: AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py and processing.py `create_infotext`
 */

/** Keyword of the text that other tools read. */
export const PARAMETERS_KEYWORD = 'parameters';
/** Keyword of sgool's own JSON, which holds everything that is needed to repeat a run. */
export const SGOOL_KEYWORD = 'sgool';

/** The content of a `parameters` text. */
export interface GenerationParameters {
  prompt: string;
  negativePrompt?: string;
  /** In order, for instance `{ Steps: 50, Sampler: 'DDIM', 'CFG scale': 7.5, Seed: 1, Size: '512x512' }`. */
  settings: Readonly<Record<string, string | number>>;
}

/** A last line with fewer settings is taken by readers for a part of the prompt. */
const MIN_SETTINGS = 3;
const NEGATIVE = 'Negative prompt:';
const KEY = '[\\p{L}\\p{N}_][\\p{L}\\p{N}_ \\-/]+';
const WHOLE_KEY = new RegExp(`^${KEY}$`, 'u');
const SETTING = new RegExp(`\\s*(${KEY}):\\s*("(?:\\\\.|[^\\\\"])+"|[^,]*)(?:,|$)`, 'gu');

/** Quotes as JSON where a reader would otherwise stop too early, or would strip quotes that belong to the value. */
function quote(value: string | number): string {
  const text = String(value);
  return /[,\n:]|^"|^\s|\s$/.test(text) ? JSON.stringify(text) : text;
}

function unquote(text: string): string {
  if (!(text.length > 1 && text.startsWith('"') && text.endsWith('"'))) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

/**
 * Writes the text.
 *
 * @throws RangeError when there are fewer than three settings or a key that readers do not recognise
 */
export function formatParameters({ prompt, negativePrompt = '', settings }: GenerationParameters): string {
  const entries = Object.entries(settings).filter(([, value]) => value !== '');
  if (entries.length < MIN_SETTINGS) {
    throw new RangeError(`formatParameters: needs ${MIN_SETTINGS} settings or more, got ${entries.length}`);
  }
  const wrong = entries.find(([key]) => !WHOLE_KEY.test(key));
  if (wrong !== undefined) {
    throw new RangeError(
      `formatParameters: keys are words, spaces, - and /, got ${JSON.stringify(wrong[0])}`,
    );
  }
  const lines = [prompt.trim()];
  if (negativePrompt.trim() !== '') lines.push(`${NEGATIVE} ${negativePrompt.trim()}`);
  lines.push(entries.map(([key, value]) => `${key}: ${quote(value)}`).join(', '));
  return lines.join('\n').trim();
}

/** Reads the text, from this or any other tool. Values come as text; `Size` stays `512x512`. */
export function parseParameters(text: string): GenerationParameters & { settings: Record<string, string> } {
  const lines = text.trim().split('\n');
  const found = [...lines[lines.length - 1].matchAll(SETTING)];
  const settings: Record<string, string> = {};
  if (found.length >= MIN_SETTINGS) {
    lines.pop();
    for (const [, key, value] of found) settings[key] = unquote(value);
  }
  const prompt: string[] = [];
  const negative: string[] = [];
  let part = prompt;
  for (const line of lines.map((each) => each.trim())) {
    if (line.startsWith(NEGATIVE)) {
      part = negative;
      part.push(line.slice(NEGATIVE.length).trim());
    } else {
      part.push(line);
    }
  }
  const negativePrompt = negative.join('\n');
  return { prompt: prompt.join('\n'), ...(negativePrompt === '' ? {} : { negativePrompt }), settings };
}
