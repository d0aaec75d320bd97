/** @file Types and helpers of the groups: schemas by key, and their values. */
import type { z } from 'zod';

/** A part of all settings, by key. */
export type SettingsShape = Readonly<Record<string, z.ZodType>>;
/** The values of some settings. */
export type SettingsOf<Shape extends SettingsShape> = { [Key in keyof Shape]: z.output<Shape[Key]> };

/** The values whose keys are in the shape. */
export function pickSettings<Shape extends SettingsShape>(
  shape: Shape,
  values: Readonly<Record<string, unknown>>,
): Partial<SettingsOf<Shape>> {
  const picked = Object.keys(shape).flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]]));
  return Object.fromEntries(picked) as Partial<SettingsOf<Shape>>;
}
