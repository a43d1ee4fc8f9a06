/**
 * Draws charts as SVG text, so that the report needs no script. Only this file knows echarts. Titles and legends are
 * not part of the SVG: as HTML around it they wrap on a phone.
 */
import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { StageEvaluation } from '../evaluate/summary.js';
import type { StageResult, StageTraining, TrainingRow } from '../evaluate/warnings.js';
import { THINK } from '../tools/tool.js';
import { CURVES } from './curves.js';
import { PAINT, paintWithVariables, SERIES } from './style.js';
import { oneLine } from './text.js';

use([BarChart, CustomChart, LineChart, GridComponent, MarkLineComponent, SVGRenderer]);

export interface Chart {
  readonly title: string;
  /** How to read the chart, in a sentence. */
  readonly note: string;
  readonly svg: string;
  /** Legend; empty when there is only one colour. */
  readonly key: readonly { readonly label: string; readonly color: string }[];
  readonly wide: boolean;
}

const WIDTH = 460;
const WIDE = 960;

/** Wide for more than seven stages, as an ablation has: a narrow chart cannot label them. */
function widthFor(stages: readonly unknown[]): number {
  return stages.length > 7 ? WIDE : WIDTH;
}

/** Accuracy of every stage as a point with its 95 % Wilson interval. */
export function accuracyChart(stages: readonly StageResult[]): Chart {
  const rows = stages.map(({ evaluation: e }, index) => [index, 100 * e.accuracy, 100 * e.low, 100 * e.high]);
  const option = {
    grid: { left: 44, right: 12, top: 26, bottom: 40 },
    xAxis: stageAxis(stages),
    yAxis: valueAxis({ min: 0, axisLabel: label('{value} %') }),
    series: [{ type: 'custom', data: rows, renderItem: drawInterval, encode: { x: 0, y: [1, 2, 3] } }],
  };
  return {
    title: 'Accuracy',
    note: 'Point: share of right answers. Bar: 95 % Wilson interval.',
    svg: draw(option, widthFor(stages), 260),
    key: [],
    wide: widthFor(stages) === WIDE,
  };
}

interface ItemApi {
  value(dimension: number): number;
  coord(point: readonly [number, number]): [number, number];
}

function drawInterval(_: unknown, api: ItemApi) {
  const at = (dimension: number) => api.coord([api.value(0), api.value(dimension)]);
  const [x, y] = at(1);
  const [, low] = at(2);
  const [, high] = at(3);
  const style = { stroke: PAINT.s1, lineWidth: 2, fill: 'none' };
  const line = (x1: number, y1: number, x2: number, y2: number) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style });
  return {
    type: 'group',
    children: [
      line(x, low, x, high),
      line(x - 7, low, x + 7, low),
      line(x - 7, high, x + 7, high),
      { type: 'circle', shape: { cx: x, cy: y, r: 5 }, style: { fill: PAINT.s1 } },
      {
        type: 'text',
        style: {
          text: `${api.value(1).toFixed(1)} %`,
          x,
          y: high - 16,
          align: 'center',
          fill: PAINT.ink,
          fontSize: 12,
        },
      },
    ],
  };
}

/** Entropy of every stage, and as a line the highest there can be. */
export function entropyChart(acting: readonly StageResult[]): Chart {
  const most = Math.log2(Math.max(2, ...acting.map(({ evaluation }) => Object.keys(evaluation.actions).length)));
  const option = {
    grid: { left: 44, right: 12, top: 26, bottom: 40 },
    xAxis: stageAxis(acting),
    // The axis ends above the line, so that a bar reaching it has room for its number.
    yAxis: valueAxis({ min: 0, max: Math.ceil(most * 1.12 * 2) / 2 }),
    series: [
      {
        type: 'bar',
        barMaxWidth: 46,
        data: acting.map(({ evaluation }) => evaluation.entropyBits),
        itemStyle: { color: PAINT.s1, borderRadius: [4, 4, 0, 0] },
        label: { show: true, position: 'top', color: PAINT.ink, fontSize: 12, formatter: twoDigits },
        markLine: limitLine(most, ''),
      },
    ],
  };
  return {
    title: 'Action entropy',
    note: `Bits over all actions. Dashed: an even use of them all, ${most.toFixed(2)} bits.`,
    svg: draw(option, widthFor(acting), 260),
    key: [],
    wide: widthFor(acting) === WIDE,
  };
}

/** How each stage divides its steps among the actions. */
export function actionChart(acting: readonly StageResult[]): Chart {
  const names = [...new Set(acting.flatMap(({ evaluation }) => Object.keys(evaluation.actions)))];
  // Think is grey and starts at the axis, where shares are easiest to compare.
  const tools = names.filter((name) => name !== THINK);
  const ordered = [...names.filter((name) => name === THINK), ...tools];
  const color = (name: string) => (name === THINK ? PAINT.think : SERIES[tools.indexOf(name) % SERIES.length]!);
  const option = {
    grid: { left: 120, right: 16, top: 4, bottom: 26 },
    yAxis: { ...stageAxis(acting), inverse: true, axisLabel: { ...label(), width: 108, overflow: 'truncate' } },
    xAxis: valueAxis({ min: 0, max: 100, axisLabel: label('{value} %') }),
    series: ordered.map((name) => ({
      type: 'bar',
      stack: 'actions',
      barMaxWidth: 34,
      data: acting.map(({ evaluation }) => 100 * share(evaluation, name)),
      itemStyle: { color: color(name) },
      label: {
        show: true,
        color: PAINT.onbar,
        fontSize: 11,
        // No number on a piece too short for it: it would cover its neighbour's.
        formatter: ({ value }: { value: number }) => (value >= 4 ? value.toFixed(0) : ''),
      },
    })),
  };
  return {
    title: 'What the steps go to',
    note: 'Share of every action in per cent of the steps of a stage.',
    svg: draw(option, WIDE, 46 + 44 * acting.length),
    key: ordered.map((name) => ({ label: oneLine(name), color: color(name) })),
    wide: true,
  };
}

function share({ actions }: StageEvaluation, name: string): number {
  const total = Object.values(actions).reduce((sum, count) => sum + count, 0);
  return total === 0 ? 0 : (actions[name] ?? 0) / total;
}

/** One chart for each metric that any stage has, with one line for each stage. */
export function trainingCharts(training: readonly StageTraining[], targetKl: number | null): Chart[] {
  return CURVES.flatMap((curve) => {
    const lines = training
      .map(({ stage, rows }) => ({ stage, points: points(rows.filter(curve.of), curve.x, curve.y) }))
      .filter(({ points: found }) => found.length > 0);
    if (lines.length === 0) return [];
    const color = (stage: string) => SERIES[training.findIndex((one) => one.stage === stage) % SERIES.length]!;
    const limit = curve.y === 'k2Bounded' && targetKl !== null ? limitLine(targetKl, `target ${targetKl}`) : undefined;
    const option = {
      grid: { left: 52, right: 14, top: 12, bottom: 42 },
      xAxis: {
        ...valueAxis({ min: 'dataMin', max: 'dataMax', minInterval: 1 }),
        ...axisName(curve.axis ?? curve.x),
        splitLine: { show: false },
      },
      yAxis: valueAxis({
        scale: true,
        max: limit ? ({ max }: { max: number }) => (max > targetKl! ? null : roomAbove(targetKl!)) : undefined,
      }),
      series: lines.map(({ stage, points: data }, index) => ({
        type: 'line',
        data,
        sampling: 'lttb',
        showSymbol: data.length < 12,
        symbolSize: 5,
        lineStyle: { width: 2, color: color(stage) },
        itemStyle: { color: color(stage) },
        ...(index === 0 && limit ? { markLine: limit } : {}),
      })),
    };
    const key = lines.map(({ stage }) => ({ label: oneLine(stage), color: color(stage) }));
    return [{ title: curve.title, note: curve.note, svg: draw(option, WIDTH, 230), key, wide: false }];
  });
}

/** The two terms of the reward side by side, because their sum hides either. Null when no row has them. */
export function rewardChart(training: readonly StageTraining[]): Chart | null {
  const found = training.flatMap(({ stage, rows }) => {
    const row = rows.findLast(
      (one) => typeof one.rewardDiversity === 'number' && typeof one.rewardCoherence === 'number',
    );
    return row === undefined ? [] : [{ name: stage, row }];
  });
  if (found.length === 0) return null;
  const terms = [
    { label: 'diversity: ρ (best − chosen)', field: 'rewardDiversity', color: PAINT.s3 },
    { label: 'coherence: −(1 − ρ)(1 − ok)', field: 'rewardCoherence', color: PAINT.s2 },
  ];
  const option = {
    grid: { left: 52, right: 14, top: 20, bottom: 40 },
    xAxis: stageAxis(found),
    yAxis: valueAxis({}),
    series: terms.map(({ field, color }) => ({
      type: 'bar',
      barMaxWidth: 34,
      data: found.map(({ row }) => {
        const value = row[field] as number;
        return { value, label: { position: value < 0 ? 'bottom' : 'top' } };
      }),
      itemStyle: { color },
      label: { show: true, color: PAINT.ink, fontSize: 12, formatter: twoDigits },
    })),
  };
  return {
    title: 'Reward terms',
    note: 'Mean per step of the data each stage learned from.',
    svg: draw(option, WIDTH, 230),
    key: terms.map(({ label: text, color }) => ({ label: text, color })),
    wide: false,
  };
}

function points(rows: readonly TrainingRow[], x: string, y: string): [number, number][] {
  return rows.flatMap((row) => {
    const [a, b] = [row[x], row[y]];
    const usable = typeof a === 'number' && typeof b === 'number' && Number.isFinite(a) && Number.isFinite(b);
    return usable ? [[a, b] as [number, number]] : [];
  });
}

/** The axis end for curves that stay below the limit, so that the line of the limit is visible. */
function roomAbove(limit: number): number {
  return Number((limit * 1.25).toPrecision(2));
}

function twoDigits({ value }: { value: number }): string {
  return value.toFixed(2);
}

function label(formatter?: string) {
  return { color: PAINT.soft, fontSize: 12, ...(formatter === undefined ? {} : { formatter }) };
}

function stageAxis(stages: readonly { readonly name: string }[]) {
  return {
    type: 'category',
    data: stages.map(({ name }) => oneLine(name)),
    axisLabel: {
      ...label(),
      interval: 0,
      width: Math.floor((widthFor(stages) - 60) / Math.max(1, stages.length)) - 6,
      overflow: 'break',
    },
    axisTick: { show: false },
    axisLine: { lineStyle: { color: PAINT.line } },
  };
}

function valueAxis(more: object) {
  return { type: 'value', axisLabel: label(), splitLine: { lineStyle: { color: PAINT.line } }, ...more };
}

function axisName(name: string) {
  return { name, nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: PAINT.soft, fontSize: 12 } };
}

function limitLine(value: number, text: string) {
  return {
    symbol: 'none',
    silent: true,
    data: [{ yAxis: value }],
    lineStyle: { color: PAINT.soft, type: 'dashed', width: 1 },
    label: { position: 'insideEndTop', formatter: text, color: PAINT.soft, fontSize: 11 },
  };
}

function draw(option: object, width: number, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, ...option } as EChartsCoreOption);
    return clean(chart.renderToSVGString());
  } finally {
    // A chart that is not disposed has timers that keep the process alive.
    chart.dispose();
  }
}

/**
 * Removes the fixed size, what only a script could use (hover rules, series marks), and clip paths, which are not
 * needed and whose ids differ from chart to chart. Text in the chart cannot match these patterns, because its quotes
 * are escaped.
 */
function clean(svg: string): string {
  const bare = svg
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/<defs[\s\S]*?<\/defs>/g, '')
    .replace(/ (?:class|ecmeta_\w+|pointer-events|clip-path)="[^"]*"/g, '')
    .replace(/^<svg width="\d+" height="\d+"/, '<svg role="img"')
    .replaceAll('font-family:sans-serif;', '')
    .replace(/\n+/g, '\n');
  return paintWithVariables(bare);
}
