/** A page of plain tables: the result of an experiment over seeds. As self-contained and guarded as a run's page. */
import { renderPage } from './frame.js';
import { escapeHtml, oneLine } from './text.js';

export interface Table {
  readonly title: string;
  /** The first row holds the heads, the first column the names of the rows. */
  readonly rows: readonly (readonly string[])[];
}

export interface TablesPage {
  readonly title: string;
  readonly tables: readonly Table[];
  readonly notes: readonly string[];
  /** Printed as JSON. */
  readonly config: unknown;
}

export function renderTables({ title, tables, notes, config }: TablesPage): string {
  return renderPage(
    title,
    `<header><h1>${escapeHtml(oneLine(title))}</h1></header>
${tables.map(tableSection).join('\n')}
${notesSection(notes)}
<section>
<h2>Configuration</h2>
<details class="card"><summary>As resolved</summary><pre>${escapeHtml(JSON.stringify(config, null, 2) ?? 'none')}</pre></details>
</section>`,
    'th:first-child{max-width:none}',
  );
}

export function notesSection(notes: readonly string[]): string {
  const lines = notes.map((note) => `<p class="soft">${escapeHtml(oneLine(note))}</p>`);
  return `<section>\n<h2>How to read it</h2>\n${lines.join('\n')}\n</section>`;
}

/** A table with its title. */
export function tableSection({ title, rows: [heads = [], ...rows] }: Table): string {
  const head = heads.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('');
  const body = rows.map(([name = '', ...cells]) => {
    const values = cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('');
    return `<tr><th scope="row">${escapeHtml(name)}</th>${values}</tr>`;
  });
  return `<section>
<h2>${escapeHtml(title)}</h2>
<div class="card scroll"><table>
<thead><tr>${head}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table></div>
</section>`;
}
