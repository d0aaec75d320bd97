/**
 * @file What TypeDoc must know of this repository's comments: `@file` at the top of a source describes the file, so it
 * becomes the description of an entry's page, and nothing elsewhere. Entries have the names under which they are imported.
 * A parameter that is destructured is called options, so that `@param options.size` finds it.
 */
import { Converter, ReflectionKind } from 'typedoc';

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      const { comment } = reflection;
      if (reflection.kind === ReflectionKind.Module) {
        reflection.name = reflection.name.replace(/^index$/, 'sgool').replace(/^exports\//, 'sgool/');
      }
      const documentsOptions = comment?.blockTags.some(
        ({ tag, name }) => tag === '@param' && name?.startsWith('options.'),
      );
      if (documentsOptions) {
        const destructured = reflection.parameters?.find(({ name }) => name === '__namedParameters');
        if (destructured) destructured.name = 'options';
      }
      const file = comment?.getTag('@file');
      if (!file) continue;
      comment.removeTags('@file');
      if (reflection.kindOf([ReflectionKind.Module, ReflectionKind.Project])) comment.summary = file.content;
    }
  });
}
