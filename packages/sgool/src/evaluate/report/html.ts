/** @file HTML as tagged templates: every text that is put in is escaped, unless it is HTML itself. */
import { escapeMarkup } from '../text.ts';

/** Text that is HTML. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template. What is undefined or false leaves nothing. */
export type Content = string | number | Markup | undefined | false | readonly Content[];

/** A piece of HTML; values within it are escaped, in elements and in quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(String.raw({ raw: strings }, ...values.map(render)));
}

function render(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (Array.isArray(content)) return content.map(render).join('');
  return escapeMarkup(String(content));
}

/** A column of a table. */
export interface Column<Row> {
  readonly title: Content;
  /** Numbers stand to the right. Default false. */
  readonly isNumber?: boolean;
  cell(row: Row): Content;
}

/**
 * A table in a box of its own, which scrolls where the table is wider than the page. The first column heads the rows.
 *
 * @param caption names it, above the table
 * @param kindOf a class of a row, for the style
 */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  kindOf?: (row: Row) => string | undefined,
): Markup {
  const classOf = (name: string | undefined) => name !== undefined && html` class="${name}"`;
  const kind = ({ isNumber }: Column<Row>) => classOf(isNumber ? 'n' : undefined);
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}"><table>
<caption>${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col"${kind(column)}>${column.title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr${classOf(kindOf?.(row))}>${columns.map((column, i) =>
        i === 0
          ? html`<th scope="row">${column.cell(row)}</th>`
          : html`<td${kind(column)}>${column.cell(row)}</td>`,
      )}</tr>\n`,
  )}</tbody></table></div>
`;
}
