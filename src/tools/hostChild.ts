/**
 * Entry of a sandboxed child: loads one kind of tool, closes the doors it can close from inside, says it is ready, then
 * answers one request at a time, each with an image of its own. The parent keeps the deadline and kills; nothing here
 * tries to interrupt itself.
 */
import { readFileSync, writeSync } from 'node:fs';
import { harden } from './child/harden.js';
import {
  EvaluationFailure,
  type HostKind,
  type HostReply,
  type HostRequest,
  type Image,
  type MakeImage,
  PAYLOAD_FD,
} from './hostProtocol.js';

const kind = process.argv[2] as HostKind | 'snapshot';
// Taken before harden() removes them from what evaluated code could reach.
const send = process.send?.bind(process);
const exit = process.exit.bind(process);
if (send === undefined) throw new Error('hostChild is started by ToolHost, with an IPC channel');

process.on('disconnect', () => exit(0));
process.on('message', (request: HostRequest) => {
  void answer(request);
});
if (kind === 'snapshot') await writeSnapshot();

const slots = await Promise.all((await load(kind as HostKind)).map(async (make) => ({ make, image: await make() })));
harden();
reply({ ready: true });

async function load(which: HostKind): Promise<readonly MakeImage[]> {
  switch (which) {
    case 'python': {
      const { createPython } = await import('./child/python.js');
      const tools = { python: await createPython(readFileSync(PAYLOAD_FD)) };
      // One call a process, and the parent sees to it: JavaScript's own objects can be reached from Python, too.
      return [() => ({ tools })];
    }
    case 'logic':
      return [await (await import('./child/logic.js')).logicImages()];
    case 'math':
      return (await import('./child/mathImages.js')).mathImages();
    case 'corpus': {
      const { createCorpusTools } = await import('./child/corpusIndex.js');
      const tools = createCorpusTools(JSON.parse(readFileSync(PAYLOAD_FD, 'utf8')));
      // Queries are looked up, never run, and nothing writes to the index: one image serves all calls.
      return [() => ({ tools, intact: () => true })];
    }
  }
}

async function answer(request: HostRequest): Promise<void> {
  const { id, tool, input, maxChars } = request;
  const slot = slots.find(({ image }) => Object.hasOwn(image.tools, tool));
  if (slot === undefined) {
    reply({ id, ok: false, code: 'tool_failed', observation: `no tool ${tool} in the ${kind} host` });
    reply({ ready: true });
    return;
  }
  const used = slot.image;
  try {
    const observation = await used.tools[tool]!(input, maxChars);
    // One character more than asked for, so that the parent sees that there was more.
    reply({ id, ok: true, observation: observation.slice(0, maxChars + 1) });
  } catch (error) {
    const failure = error instanceof EvaluationFailure;
    const text = error instanceof Error ? error.message : 'failed';
    reply({
      id,
      ok: false,
      code: failure ? 'tool_failed' : 'tool_input',
      observation: text.slice(0, 2000),
      ...(failure && error.retire ? { retire: true } : {}),
    });
  }
  await renew(slot, used);
}

/** After the answer, so that no caller waits for it: the next call finds its image made. */
async function renew(slot: { readonly make: MakeImage; image: Image }, used: Image): Promise<void> {
  try {
    if ((await used.intact?.()) !== true) {
      used.dispose?.();
      slot.image = await slot.make();
    }
    reply({ ready: true });
  } catch {
    exit(1);
  }
}

async function writeSnapshot(): Promise<never> {
  const bytes = await (await import('./child/python.js')).makePythonSnapshot();
  for (let at = 0; at < bytes.length; ) at += writeSync(PAYLOAD_FD, bytes, at);
  return exit(0);
}

function reply(message: HostReply): void {
  send?.(message);
}
