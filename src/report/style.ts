/** Colours and style sheet of the report, inlined so that the page is a single file. */

/**
 * Placeholder colours for charts. echarts needs real colours, but the page needs variables that follow light and dark.
 * So charts are drawn with these values, which occur nowhere else, and `paintWithVariables` replaces them by
 * `var(--name)`.
 */
export const PAINT = {
  ink: '#0a0001',
  soft: '#0a0002',
  line: '#0a0003',
  think: '#0a0004',
  onbar: '#0a0005',
  s1: '#0b0001',
  s2: '#0b0002',
  s3: '#0b0003',
  s4: '#0b0004',
  s5: '#0b0005',
  s6: '#0b0006',
  s7: '#0b0007',
  s8: '#0b0008',
} as const;

/** Colours of series, in the order they are used; neighbours differ in hue and in lightness. */
export const SERIES = [PAINT.s1, PAINT.s2, PAINT.s3, PAINT.s4, PAINT.s5, PAINT.s6, PAINT.s7, PAINT.s8] as const;

export function paintWithVariables(svg: string): string {
  return Object.entries(PAINT).reduce((text, [name, color]) => text.replaceAll(color, `var(--${name})`), svg);
}

export const STYLE = `
:root{color-scheme:light dark;--page:#f7f7f5;--card:#fff;--ink:#1b1d21;--soft:#5d636d;--line:#e1e2e0;--alarm:#b3261e;
--alarm-back:#fdf0ee;--good:#1a7f4b;--tint:#2a78d6;--think:#85888c;--onbar:#fff;--s1:#2a78d6;--s2:#d9622b;--s3:#128a62;--s4:#945ecf;
--s5:#b98300;--s6:#c94f8a;--s7:#0d8795;--s8:#6c8893}
@media (prefers-color-scheme:dark){:root{--page:#131518;--card:#1b1e22;--ink:#e9eaec;--soft:#a0a6b0;--line:#30343a;
--alarm:#ff8a80;--alarm-back:#3a2220;--good:#5fd39a;--tint:#4c95ea;--think:#8b9098;--onbar:#14171a;--s1:#5a9ff0;--s2:#f08a55;--s3:#3cc497;
--s4:#b088e6;--s5:#f0bb33;--s6:#e277a8;--s7:#42c2d0;--s8:#90a8b2}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:17px;margin:36px 0 12px}
h3{font-size:14px;margin:0}
p{margin:6px 0}
.soft,figcaption p{color:var(--soft);font-size:13px}
.lead{font-size:16px;max-width:70ch;margin-top:14px}
.card,figure{background:var(--card);border:1px solid var(--line);border-radius:10px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:8px 12px;text-align:right;white-space:nowrap;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-size:12px;font-weight:600}
tbody th{font-weight:600}
th:first-child{text-align:left;position:sticky;left:0;background:var(--card);max-width:12em;overflow:hidden;text-overflow:ellipsis}
td small{color:var(--soft)}
td.main{font-weight:650}
td.heat{background:color-mix(in srgb,var(--tint) calc(var(--v)*42%),transparent)}
.grid{display:grid;margin-top:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:14px}
figure{margin:0;padding:14px 14px 8px}
figure.wide{grid-column:1/-1}
figcaption{padding:0 4px 4px}
figcaption p{margin:2px 0 0}
figure svg{display:block;width:100%;height:auto;font-family:inherit}
figure.wide svg{min-width:640px}
.alarms{list-style:none;margin:0;padding:0;display:grid;gap:8px}
.alarms li{background:var(--alarm-back);border-left:3px solid var(--alarm);border-radius:6px;padding:9px 13px;overflow-wrap:anywhere}
.alarms code{color:var(--alarm)}
.fine{color:var(--good)}
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{overflow-x:auto;margin:0;padding:14px}
details>summary{cursor:pointer;padding:10px 14px;color:var(--soft)}
.transcript{margin-top:8px}
.transcript summary{overflow-wrap:anywhere}
.wrong{color:var(--alarm)}
.steps{padding:0 14px 12px}
.steps h4{font-size:13px;margin:14px 0 4px}
.said,.did,.saw,.options li{white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0;font-size:14px}
.did,.saw{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;border-left:3px solid var(--tint);padding:2px 10px}
.saw{border-color:var(--think);color:var(--soft)}
.options{margin:4px 0;padding:0;list-style:none}
.key{display:flex;flex-wrap:wrap;gap:2px 14px;margin:4px 0 0;padding:0;list-style:none;font-size:12.5px;color:var(--soft)}
.key i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:5px;vertical-align:-1px}
@media (max-width:560px){main{padding:22px 12px 48px}h1{font-size:22px}th,td{padding:7px 9px}figure{padding:12px 8px 6px}}
@media print{body{background:#fff}figure,.card{break-inside:avoid}}
`;
