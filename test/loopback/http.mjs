/** @param {import('node:http').ServerResponse} response @param {number} status @param {unknown} value @param {Record<string, string>} [headers] */
export function sendJson(response, status, value, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}
