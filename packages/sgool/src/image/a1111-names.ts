/**
 * @file AUTOMATIC1111's names of samplers and ours.
 * Reference: AUTOMATIC1111/stable-diffusion-webui, modules/sd_samplers_kdiffusion.py, sd_samplers_timesteps.py, sd_schedulers.py
 */

/** Its names by ours. Names of ours that are not here (edict) are unknown to it. */
const SAMPLERS: Readonly<Record<string, string>> = {
  ddim: 'DDIM',
  // Its PLMS and diffusers' PNDM without Runge-Kutta steps are the same rule.
  pndm: 'PLMS',
  'dpm-solver': 'DPM++ 2M',
  euler: 'Euler',
  'euler-ancestral': 'Euler a',
  lcm: 'LCM',
  unipc: 'UniPC',
  heun: 'Heun',
  lms: 'LMS',
  'dpm-sde': 'DPM++ SDE',
};

const SCHEDULES = ['Karras', 'Exponential', 'Polyexponential', 'SGM Uniform', 'Beta'];

/** What the web UI calls a sampler of ours. */
export const a1111Sampler = (sampler: string): string => SAMPLERS[sampler] ?? sampler.toUpperCase();

/**
 * Our sampler for a name of the web UI, whatever its case.
 *
 * @param names of the samplers that there are
 * @returns undefined where we have none; `schedule` where the name ends in one, as `DPM++ 2M Karras` does
 */
export function samplerOfA1111<Name extends string>(
  text: string,
  names: readonly Name[],
): { readonly sampler: Name; readonly schedule?: string } | undefined {
  const wanted = text.trim().toLowerCase();
  const schedule = SCHEDULES.find((one) => wanted.endsWith(` ${one.toLowerCase()}`));
  const bare = schedule === undefined ? wanted : wanted.slice(0, -schedule.length - 1);
  const sampler = names.find((name) => name === bare || a1111Sampler(name).toLowerCase() === bare);
  if (sampler === undefined) return undefined;
  return schedule === undefined ? { sampler } : { sampler, schedule };
}
