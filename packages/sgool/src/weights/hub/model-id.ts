/** @file Names of models on the Hub as users write them: `org/name`, or `org/name@revision`. */
import { UserError } from '../../errors.ts';

/** A model on the Hub, perhaps at a revision. */
export interface HubModelId {
  /** `org/name`. */
  readonly id: string;
  /** Branch, tag or commit; undefined where none was given. */
  readonly revision?: string;
}

const PART = String.raw`\w[\w.-]{0,95}`;
const ID = new RegExp(`^(${PART}/${PART})(?:@(.+))?$`);
/** A revision becomes part of a path, so it must not lead outside a folder. */
const REVISION = /^(?!.*\.\.)\w[\w./+-]*$/;

/** Parses the name of a model and its revision; undefined where the text is not such a name. */
export function parseModelId(text: string): HubModelId | undefined {
  const [, id, revision] = ID.exec(text) ?? [];
  // The cache writes a slash as two dashes, so the Hub forbids two dashes in a name.
  if (id === undefined || /--|\.\./.test(id)) return undefined;
  if (revision === undefined) return { id };
  return REVISION.test(revision) ? { id, revision } : undefined;
}

/**
 * Like `parseModelId`, with a separate revision.
 *
 * @throws UserError when it is not the name of a model
 */
export function requireModelId(text: string, revision?: string): HubModelId {
  const parsed = parseModelId(revision === undefined ? text : `${text}@${revision}`);
  if (parsed !== undefined) return parsed;
  const shown = revision === undefined ? text : `${text}, revision ${revision}`;
  throw new UserError(
    `hub: not the name of a model, got ${shown || 'nothing'}; write org/name or org/name@revision`,
  );
}
