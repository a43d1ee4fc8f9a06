/** As much of MLflow's tracking server as a training uses, on 127.0.0.1, with a script of bad behaviour. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to a request: a status of its own, or nothing good. `ok` is the server's own answer. */
export type Behaviour = 'ok' | 'hang' | 'reset' | 'page' | 'redirect' | 'strange' | 'echo' | 401 | 429 | 503;

interface Metric {
  readonly key: string;
  readonly value: number | string;
  readonly step: number;
  readonly timestamp: number;
}

export interface KnownRun {
  readonly experiment: string;
  readonly name: string;
  readonly params: Record<string, string>;
  readonly metrics: Metric[];
  status: string;
  deleted: boolean;
}

type Body = Readonly<Record<string, unknown>>;

export class MlflowServer {
  readonly experiments: string[] = ['Default'];
  readonly runs: KnownRun[] = [];
  /** `runs/create`, in order, with the header */
  readonly requests: { readonly call: string; readonly authorization: string | undefined }[] = [];
  /** Asked before every answer. */
  behave: (call: string) => Behaviour = () => 'ok';
  readonly #server = createServer((request, response) => this.#read(request, response));

  static async start(port = 0): Promise<MlflowServer> {
    const server = new MlflowServer();
    await new Promise<void>((resolve) => server.#server.listen(port, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `train/loss 3 0.5` */
  metricsOf(index: number): string[] {
    return this.runs[index]!.metrics.map(({ key, step, value }) => `${key} ${step} ${value}`);
  }

  #read(request: IncomingMessage, response: ServerResponse): void {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const url = new URL(request.url!, this.url);
      const call = url.pathname.replace('/api/2.0/mlflow/', '');
      this.requests.push({ call, authorization: request.headers.authorization });
      const body = text === '' ? Object.fromEntries(url.searchParams) : JSON.parse(text);
      this.#act(this.behave(call), call, body, request, response);
    });
  }

  #act(behaviour: Behaviour, call: string, body: Body, request: IncomingMessage, response: ServerResponse): void {
    const json = (status: number, value: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const said = { error_code: 'X', message: 'no' };
    if (behaviour === 'hang') return;
    if (behaviour === 'reset') response.socket?.resetAndDestroy();
    else if (behaviour === 'page') response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>');
    else if (behaviour === 'redirect') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    else if (behaviour === 'strange') json(200, { hello: 1 });
    else if (behaviour === 'echo') json(400, { ...said, message: `got ${request.headers.authorization}` });
    else if (behaviour !== 'ok') json(behaviour, said);
    else {
      const [status, reply] = this.#answer(call, body);
      json(status, reply);
    }
  }

  #answer(call: string, body: Body): [number, object] {
    const missing: [number, object] = [404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'none of that name' }];
    if (call === 'experiments/get-by-name') {
      const id = this.experiments.indexOf(String(body.experiment_name));
      return id < 0 ? missing : [200, { experiment: { experiment_id: String(id) } }];
    }
    if (call === 'experiments/create') {
      return [200, { experiment_id: String(this.experiments.push(String(body.name)) - 1) }];
    }
    if (call === 'runs/create') {
      const experiment = this.experiments[Number(body.experiment_id)]!;
      const run = {
        experiment,
        name: String(body.run_name),
        params: {},
        metrics: [],
        status: 'RUNNING',
        deleted: false,
      };
      return [200, { run: { info: { run_id: `run-${this.runs.push(run) - 1}` } } }];
    }
    const run = this.runs[Number(String(body.run_id).replace('run-', ''))];
    return run === undefined ? missing : this.#ofRun(run, call, body);
  }

  #ofRun(run: KnownRun, call: string, body: Body): [number, object] {
    if (call === 'runs/update') {
      run.status = String(body.status);
      return [200, {}];
    }
    if (call === 'runs/get') {
      const latest = new Map(run.metrics.map(({ key, step, value }) => [key, { key, step, value }]));
      const info = { run_id: String(body.run_id), lifecycle_stage: run.deleted ? 'deleted' : 'active' };
      return [200, { run: { info, data: { metrics: [...latest.values()] } } }];
    }
    for (const { key, value } of (body.params ?? []) as { key: string; value: string }[]) run.params[key] = value;
    run.metrics.push(...((body.metrics ?? []) as Metric[]));
    return [200, {}];
  }
}
