import { describe, expect, it } from 'vitest';
import type { ReportInput } from '../../../src/report/input.js';
import { renderReport } from '../../../src/report/page.js';
import { renderLadderTable } from '../../../src/report/text.js';
import { sampleRun, trajectoryOf } from './sample.js';

const run = sampleRun();
const html = renderReport(run);
const EVIL = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;`;

function charts(page: string): string[] {
  return [...page.matchAll(/<h3>(.*?)<\/h3>/g)].map((match) => match[1]!);
}

/** Fails unless every tag of the page closes in order, which a browser would silently repair. */
function openTags(page: string): string[] {
  const open: string[] = [];
  const alone = new Set(['meta', 'br', '!doctype']);
  for (const [, closing, name, rest] of page.matchAll(/<(\/?)([a-z!][\w]*)((?:[^<>"]|"[^"]*")*)>/gi)) {
    if (alone.has(name!.toLowerCase()) || rest!.endsWith('/')) continue;
    if (!closing) open.push(name!);
    else if (open.pop() !== name) throw new Error(`</${name}> closes something else`);
  }
  return open;
}

describe('renderReport', () => {
  it('shows every stage with its numbers', () => {
    for (const { name, evaluation } of run.stages) {
      const row = html.match(new RegExp(`<tr><th scope="row" title="${name.replace('+', '\\+')}">.*?</tr>`))?.[0];
      expect(row, name).toContain(`<td class="main">${(100 * evaluation.accuracy).toFixed(1)} %</td>`);
      expect(row).toContain(`${(100 * evaluation.low).toFixed(1)} – ${(100 * evaluation.high).toFixed(1)}`);
      expect(row).toContain(
        evaluation.effectiveActions > 0 ? `${evaluation.entropyBits.toFixed(2)} bit` : '<td>–</td>',
      );
    }
    const [math] = run.stages[4]!.evaluation.perCategory.filter(({ category }) => category === 'math');
    expect(html).toContain(`${(100 * math!.accuracy).toFixed(1)} % <small>${math!.correct}/${math!.questions}</small>`);
  });

  it('draws what there is, and only that', () => {
    const ladder = ['Accuracy', 'Action entropy', 'What the steps go to'];
    const curves = ['SFT loss', 'Policy loss', 'KL to the reference', 'Clip fraction', 'Critic loss', 'Gradient norm'];
    expect(charts(html)).toEqual([...ladder, 'Reward terms', ...curves]);
    expect(html.match(/<svg /g)).toHaveLength(10);
    expect(charts(renderReport({ ...run, training: [run.training[0]!] }))).toEqual([
      ...ladder,
      'SFT loss',
      'Gradient norm',
    ]);
    expect(charts(renderReport({ ...run, training: [], stages: [run.stages[0]!] }))).toEqual(['Accuracy']);
    const policy = (epochsDone: number) => ({
      event: 'policy',
      epochsDone,
      entropyBits: 1 + epochsDone,
      belowTau: 0.1,
    });
    const epochs = [{ stage: 'spark', rows: [0, 1, 2].map(policy) }];
    // Never one without the other.
    const both = ['Entropy by epoch', 'Actions below τ by epoch'];
    expect(charts(renderReport({ ...run, stages: [], training: epochs }))).toEqual(both);
  });

  it('has transcripts to read where there are answers', () => {
    const trajectory = trajectoryOf({ steps: [{ action: EVIL, thought: EVIL, input: EVIL, observation: EVIL }] });
    const picked = [{ why: [EVIL], trajectory, reward: null }];
    const page = renderReport({ ...run, transcripts: { stage: EVIL, picked, questions: new Map(), tau: 6 } });
    expect(page).toContain('<h2>Transcripts to read</h2>');
    expect(openTags(page)).toEqual([]);
    expect(page).not.toMatch(/<script|<img/);
    expect(html).not.toContain('Transcripts to read');
  });

  it('places curves by their values', () => {
    const rows = (values: readonly (number | string)[]) => values.map((loss, step) => ({ step, loss }));
    const path = (values: readonly (number | string)[]) => {
      const page = renderReport({ ...run, stages: [], training: [{ stage: 'sft', rows: rows(values) }] });
      const line = page.match(/<path d="M([^"]*)" fill="none" stroke="var\(--s1\)"/)?.[1];
      return line!.split('L').map((point) => point.split(' ').map(Number));
    };
    const falling = path([3, 2, 1]);
    expect(falling).toHaveLength(3);
    expect(falling[0]![1]).toBeLessThan(falling[2]![1]!);
    // A step that is not finite is left out; the others are still drawn.
    expect(path([3, 'NaN', 1])).toHaveLength(2);
  });

  it('needs nothing from outside and runs nothing', () => {
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|\s(?:src|href|on\w+)=/i);
    expect(html.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:/);
    expect(html).toContain("default-src 'none'");
    expect(html).toContain('prefers-color-scheme:dark');
    expect(html).toContain('name="viewport"');
    // All placeholder colours of the charts have been replaced by variables.
    expect(html).not.toMatch(/#0[ab]000\d/);
    expect(openTags(html)).toEqual([]);
  });

  it('escapes text wherever it comes from', () => {
    const [first] = run.stages;
    const spoiled: ReportInput = {
      title: EVIL,
      created: EVIL,
      config: { name: EVIL, [EVIL]: 1 },
      stages: run.stages.slice(1).map(({ evaluation }, index) => ({
        name: `${EVIL}${index}`,
        evaluation: {
          ...evaluation,
          actions: { [EVIL]: 3, think: 1 },
          perCategory: [{ ...first!.evaluation.perCategory[0]!, category: EVIL }],
          perCategoryEntropy: [{ ...evaluation.perCategoryEntropy[0]!, category: EVIL }],
        },
      })),
      training: run.training.map(({ rows }) => ({ stage: EVIL, rows })),
      warnings: [{ code: 'not_finite', message: EVIL, stage: EVIL }],
    };
    const page = renderReport(spoiled);
    expect(page).not.toMatch(/<script|<img/i);
    expect(page.split('&lt;script&gt;').length).toBeGreaterThan(12);
    expect(openTags(page)).toEqual([]);
  });

  it('lists warnings, and says so when there are none', () => {
    const warning = { code: 'critic_flat' as const, message: 'it does not learn', stage: 'ppo' };
    const page = renderReport({ ...run, warnings: [warning] });
    expect(page).toContain('<strong>ppo</strong> <code>critic_flat</code><br>it does not learn');
    expect(html).toContain('None found.');
  });

  it('says which difference is within the intervals', () => {
    expect(html).toContain('From base + tools to SPaRK: effective actions 3.2 → 8.9');
    expect(html).not.toContain('overlap');
    expect(renderReport({ ...run, stages: run.stages.slice(3) })).toContain('overlap');
  });

  it('is a page even of a run that has only begun', () => {
    const page = renderReport({ title: 't', created: '', config: undefined, stages: [], training: [], warnings: [] });
    expect(page).toContain('No stage has been evaluated yet.');
    expect(openTags(page)).toEqual([]);
  });

  it('is the same for the same run', () => {
    expect(renderReport(sampleRun())).toBe(html);
  });
});

describe('renderLadderTable', () => {
  it('lines up its columns and ends with a line break', () => {
    const lines = renderLadderTable(run.stages).split('\n');
    expect(lines).toHaveLength(run.stages.length + 3);
    expect(lines.at(-1)).toBe('');
    const rows = lines.slice(0, -1);
    expect(new Set(rows.map((line) => [...line].length)).size).toBe(1);
    expect(rows[0]).toMatch(
      /^stage +questions +accuracy +95 % interval +unparsed +entropy +H \/ max +effective +think$/,
    );
    expect(rows.at(-1)).toMatch(/^SPaRK +280 +48\.9 % +43\.1 – 54\.8 +5\.7 % +3\.15 bit +0\.99 +8\.9 +10\.0 %$/);
    expect(rows[2]).toMatch(/^base .* – +– +– +–$/);
  });

  it('lets no name move the cursor', () => {
    const [stage] = run.stages;
    expect(renderLadderTable([{ ...stage!, name: 'a\u001b[2J\nb' }])).toContain('a [2J b');
  });
});
