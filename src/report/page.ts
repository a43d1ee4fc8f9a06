/**
 * A run as one HTML file that needs no network and no script, light or dark, readable on a phone. Names and
 * configuration may hold anyone's text, so every value is escaped, and the page's content security policy forbids
 * scripts.
 */
import type { StageResult, StageTraining } from '../evaluate/warnings.js';
import { valueText } from '../run/best.js';
import { percent } from '../units.js';
import { accuracyChart, actionChart, type Chart, entropyChart, rewardChart, trainingCharts } from './charts.js';
import { renderPage } from './frame.js';
import type { ReportInput } from './input.js';
import { paintWithVariables } from './style.js';
import { notesSection, tableSection } from './tables.js';
import { escapeHtml, LADDER_COLUMNS, ladderCells, oneLine } from './text.js';
import { transcriptsSection } from './transcripts.js';

export function renderReport(run: ReportInput): string {
  const acting = run.stages.filter(({ evaluation }) => evaluation.effectiveActions > 0);
  const ladderCharts = run.stages.length === 0 ? [] : [accuracyChart(run.stages)];
  if (acting.length > 0) ladderCharts.push(entropyChart(acting), actionChart(acting));
  const reward = rewardChart(run.training);
  const training = [...(reward === null ? [] : [reward]), ...trainingCharts(run.training, targetKl(run.config))];
  return renderPage(
    run.title,
    `<header>
<h1>${escapeHtml(oneLine(run.title))}</h1>
<p class="soft">SPaRK · ${escapeHtml(oneLine(run.created))}</p>
${run.many === undefined ? lead(acting) : ''}
</header>
${run.many === undefined ? '' : [...run.many.tables.map(tableSection), notesSection(run.many.notes)].join('\n')}
${section('Failure signs', warnings(run))}
${section('The ladder', run.stages.length === 0 ? nothing('No stage has been evaluated yet.') : ladder(run.stages) + grid(ladderCharts))}
${training.length === 0 ? '' : section('Training', validations(run.training) + grid(training))}
${run.stages.length === 0 ? '' : section('By category', categories(run.stages, 'accuracy') + categories(acting, 'entropy'))}
${run.transcripts === undefined ? '' : section('Transcripts to read', transcriptsSection(run.transcripts))}
${section('Configuration', configuration(run.config))}`,
  );
}

function section(title: string, content: string): string {
  return `<section>\n<h2>${escapeHtml(title)}</h2>\n${content}\n</section>`;
}

function nothing(text: string): string {
  return `<p class="soft">${escapeHtml(text)}</p>`;
}

/** A sentence that compares the first stage that acts with the last, and says when their accuracies may not differ. */
function lead(acting: readonly StageResult[]): string {
  const [first, last] = [acting[0], acting.at(-1)];
  if (first === undefined || last === undefined || first === last) return '';
  const [a, b] = [first.evaluation, last.evaluation];
  const apart = a.high < b.low || b.high < a.low;
  const text =
    `From ${oneLine(first.name)} to ${oneLine(last.name)}: effective actions ${a.effectiveActions.toFixed(1)} → ` +
    `${b.effectiveActions.toFixed(1)}, accuracy ${percent(a.accuracy)} → ${percent(b.accuracy)}` +
    `${apart ? '.' : '; the 95 % intervals of the accuracies overlap.'}`;
  return `<p class="lead">${escapeHtml(text)}</p>`;
}

function warnings({ warnings: found, stages, training }: ReportInput): string {
  if (found.length > 0) {
    const items = found.map(
      ({ code, message, stage, step, lastStep }) =>
        `<li><strong>${escapeHtml(oneLine(stage))}</strong> <code>${escapeHtml(code)}</code>${seenAt(step, lastStep)}<br>` +
        `${escapeHtml(message)}</li>`,
    );
    return `<ul class="alarms">\n${items.join('\n')}\n</ul>`;
  }
  if (stages.length === 0 && training.length === 0) return nothing('Nothing to look at yet.');
  return '<p class="fine">None found.</p>';
}

/** Of a sign of a training: between which optimizer steps it was seen. */
function seenAt(first: number | undefined, last: number | undefined): string {
  if (first === undefined || last === undefined) return '';
  return ` <span class="soft">from step ${first}${last === first ? '' : ` to ${last}`}</span>`;
}

function ladder(stages: readonly StageResult[]): string {
  const head = LADDER_COLUMNS.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('');
  const accuracyColumn = LADDER_COLUMNS.indexOf('accuracy');
  const rows = stages.map((stage) => {
    const cells = ladderCells(stage).map((cell, column) => {
      if (column === 0) return `<th scope="row" title="${escapeHtml(cell)}">${escapeHtml(cell)}</th>`;
      return `<td${column === accuracyColumn ? ' class="main"' : ''}>${escapeHtml(cell)}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `${table(head, rows)}
<p class="soft">Interval: 95 % Wilson, in per cent. Entropy over the actions of all steps; H / max against an even use; effective
actions are 2<sup>H</sup>. Unparsed: no answer could be read.</p>`;
}

/** Where trainings stood on validation questions; nothing where none was measured. */
function validations(training: readonly StageTraining[]): string {
  const measured = training.flatMap(({ stage, rows }) => {
    const found = rows.filter(({ event }) => event === 'validation');
    const last = found.at(-1);
    return last === undefined ? [] : [{ stage, last, count: found.length }];
  });
  if (measured.length === 0) return '';
  const head = ['measured on validation questions', 'by', 'best', 'after step', 'last', 'after step', 'measures', 'end']
    .map((name) => `<th scope="col">${name}</th>`)
    .join('');
  const rows = measured.map(({ stage, last, count }) => {
    const { best, bestValue, bestStep, value, stepsDone, patienceLeft } = last;
    const of = (number: unknown) => (typeof number === 'number' ? valueText(String(best), number) : '–');
    const cells = [best, of(bestValue), bestStep, of(value), stepsDone, count, patienceLeft === 0 ? 'early' : ''];
    const rest = cells.map((cell) => `<td>${escapeHtml(oneLine(String(cell ?? '–')))}</td>`).join('');
    return `<tr><th scope="row">${escapeHtml(oneLine(stage))}</th>${rest}</tr>`;
  });
  return table(head, rows);
}

function table(head: string, rows: readonly string[]): string {
  return `<div class="card scroll"><table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table></div>`;
}

function grid(charts: readonly Chart[]): string {
  const figures = charts.map(({ title, note, svg, key, wide }) => {
    const items = key.map(
      ({ label, color }) => `<li><i style="background:${paintWithVariables(color)}"></i>${escapeHtml(label)}</li>`,
    );
    const list = items.length === 0 ? '' : `<ul class="key">${items.join('')}</ul>`;
    return `<figure${wide ? ' class="wide"' : ''}>
<figcaption><h3>${escapeHtml(title)}</h3><p>${escapeHtml(note)}</p>${list}</figcaption>
<div class="scroll">${svg.replace('role="img"', `role="img" aria-label="${escapeHtml(`${title}. ${note}`)}"`)}</div>
</figure>`;
  });
  return `<div class="grid">\n${figures.join('\n')}\n</div>`;
}

type Cell = { readonly text: string; readonly small: string; readonly heat: number };

/** A table of categories (rows) and stages (columns); the higher a value, the stronger the tint of its cell. */
function categories(stages: readonly StageResult[], what: 'accuracy' | 'entropy'): string {
  const rowsOf = (stage: StageResult) => (what === 'accuracy' ? accuracyRows(stage) : entropyRows(stage));
  const columns = stages.map((stage) => ({ name: oneLine(stage.name), cells: rowsOf(stage) }));
  const names = [...new Set(columns.flatMap(({ cells }) => [...cells.keys()]))].sort();
  if (names.length === 0) return '';
  const title = what === 'accuracy' ? 'accuracy' : 'entropy in bits';
  const head = [title, ...columns.map(({ name }) => name)].map((name) => `<th scope="col">${escapeHtml(name)}</th>`);
  const rows = names.map((name) => {
    const cells = columns.map(({ cells: of }) => {
      const cell = of.get(name);
      if (cell === undefined) return '<td>–</td>';
      const { text, small, heat } = cell;
      return `<td class="heat" style="--v:${heat.toFixed(3)}">${escapeHtml(text)} <small>${escapeHtml(small)}</small></td>`;
    });
    return `<tr><th scope="row">${escapeHtml(oneLine(name))}</th>${cells.join('')}</tr>`;
  });
  const body = table(head.join(''), rows);
  return what === 'accuracy' ? body : `<details><summary>Entropy by category</summary>${body}</details>`;
}

function accuracyRows({ evaluation }: StageResult): Map<string, Cell> {
  return new Map(
    evaluation.perCategory.map(({ category, accuracy, correct, questions }) => [
      category,
      { text: percent(accuracy), small: `${correct}/${questions}`, heat: accuracy },
    ]),
  );
}

function entropyRows({ evaluation }: StageResult): Map<string, Cell> {
  return new Map(
    evaluation.perCategoryEntropy
      .filter(({ steps }) => steps > 0)
      .map(({ category, entropyBits, entropyNormalized, steps }) => [
        category,
        { text: entropyBits.toFixed(2), small: `${steps} steps`, heat: entropyNormalized },
      ]),
  );
}

function configuration(config: unknown): string {
  const json = JSON.stringify(config, null, 2) ?? 'none';
  return `<details class="card"><summary>As resolved</summary><pre>${escapeHtml(json)}</pre></details>`;
}

function targetKl(config: unknown): number | null {
  const ppo = typeof config === 'object' && config !== null ? (config as { ppo?: unknown }).ppo : null;
  const target = typeof ppo === 'object' && ppo !== null ? (ppo as { targetKl?: unknown }).targetKl : null;
  return typeof target === 'number' && Number.isFinite(target) ? target : null;
}
