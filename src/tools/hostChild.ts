/**
 * Entry of a sandboxed child: loads one kind of tool, closes the doors it can close from inside, says it is ready, then
 * answers one request at a time. The parent keeps the deadline and kills; nothing here tries to interrupt itself.
 */
import { harden } from './child/harden.js';
import { type Evaluate, EvaluationFailure, type HostKind, type HostReply, type HostRequest } from './hostProtocol.js';

const kind = process.argv[2] as HostKind;
// Taken before harden() removes them from what evaluated code could reach.
const send = process.send?.bind(process);
const exit = process.exit.bind(process);
if (send === undefined) throw new Error('hostChild is started by ToolHost, with an IPC channel');

process.on('disconnect', () => exit(0));
process.on('message', (request: HostRequest) => {
  void answer(request);
});

const evaluators = await load(kind);
harden();
reply({ ready: true });

async function load(which: HostKind): Promise<Record<string, Evaluate>> {
  switch (which) {
    case 'python':
      return { python: await (await import('./child/python.js')).createPython() };
    case 'logic':
      return { logic: await (await import('./child/logic.js')).createLogic() };
    case 'math': {
      const [calculator, algebra, statistics, chemistry] = await Promise.all([
        import('./child/calculator.js'),
        import('./child/algebra.js'),
        import('./child/statistics.js'),
        import('./child/chemistry.js'),
      ]);
      return {
        calculator: calculator.createCalculator(),
        algebra: algebra.createAlgebra(),
        statistics: statistics.createStatistics(),
        chemistry: chemistry.createChemistry(),
      };
    }
  }
}

async function answer(request: HostRequest): Promise<void> {
  const { id, tool, input, maxChars } = request;
  const evaluate = evaluators[tool];
  if (evaluate === undefined) {
    reply({ id, ok: false, code: 'tool_failed', observation: `no tool ${tool} in the ${kind} host` });
    return;
  }
  try {
    const observation = await evaluate(input, maxChars);
    // One character more than asked for, so that the parent sees that there was more.
    reply({ id, ok: true, observation: observation.slice(0, maxChars + 1) });
  } catch (error) {
    const failure = error instanceof EvaluationFailure;
    // Errors of another realm are no instances of this realm's Error.
    const text = String((error as { message?: unknown } | null)?.message ?? error);
    reply({
      id,
      ok: false,
      code: failure ? 'tool_failed' : 'tool_input',
      observation: text.slice(0, 2000),
      ...(failure && error.retire ? { retire: true } : {}),
    });
  }
}

function reply(message: HostReply): void {
  send?.(message);
}
