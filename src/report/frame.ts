/**
 * The frame of every page: one file that needs no network and no script, which its content security policy forbids, because
 * names and configurations may hold anyone's text.
 */
import { STYLE } from './style.js';
import { escapeHtml, oneLine } from './text.js';

/** `main`: HTML, escaped already; `style`: rules beside those of all pages. */
export function renderPage(title: string, main: string, style = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(oneLine(title))}</title>
<style>${STYLE}${style}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`;
}
