/**
 * Entry of a sandboxed child: loads one kind of tools, removes dangerous globals (`harden`), reports that it is ready,
 * then answers one request at a time. A used image is replaced before the next request unless it is intact. Time limits
 * are the parent's: it kills the child.
 */
import { readFileSync, writeSync } from 'node:fs';
import { harden } from './child/harden.js';
import {
  type CorpusPayload,
  Declined,
  EvaluationFailure,
  type HostAnswer,
  type HostKind,
  type HostReply,
  type HostRequest,
  type Image,
  type MakeImage,
  PAYLOAD_FD,
} from './hostProtocol.js';

const kind = process.argv[2] as HostKind | 'snapshot';
/** Those that will be called. A realm with its libraries takes half a second, and a run may want one tool alone. */
const wanted = process.argv[3]?.split(',');
// Kept here, because harden() removes them from `process`.
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
      return [onlyOne(await createPython(readFileSync(PAYLOAD_FD)))];
    }
    case 'sympy': {
      const { createSympy } = await import('./child/sympy.js');
      return [onlyOne(await createSympy(readFileSync(PAYLOAD_FD)))];
    }
    case 'logic':
      return [await (await import('./child/logic.js')).logicImages()];
    case 'math':
    case 'chemistry':
      return (await import('./child/mathImages.js')).mathImages(which, wanted);
    case 'corpus': {
      const tools = await corpusTools(JSON.parse(readFileSync(PAYLOAD_FD, 'utf8')));
      // One image for all calls: a query is only looked up and cannot change the index.
      return [() => ({ tools, intact: () => true })];
    }
  }
}

async function corpusTools(given: CorpusPayload): Promise<Image['tools']> {
  if ('articles' in given) return (await import('./child/corpusIndex.js')).createCorpusTools(given.articles);
  return (await import('./child/corpusFileTools.js')).createCorpusFileTools(given.file, given.passages);
}

async function answer(request: HostRequest): Promise<void> {
  const { id, tool } = request;
  const slot = slots.find(({ image }) => Object.hasOwn(image.tools, tool));
  if (slot === undefined) {
    reply({ id, ok: false, code: 'tool_failed', observation: `no tool ${tool} in the ${kind} host` });
    reply({ ready: true });
    return;
  }
  const used = slot.image;
  const result = await outcome(used, request);
  reply(result);
  // The parent ends a child that has to be replaced.
  if (result.retire !== true) await renew(slot, used);
}

async function outcome(image: Image, { id, tool, input, maxChars }: HostRequest): Promise<HostAnswer> {
  const retire = () => (image.spent?.() === true ? { retire: true } : {});
  try {
    const observation = await image.tools[tool]!(input, maxChars);
    // One character more than allowed, by which the parent sees that the text was longer.
    return { id, ok: true, observation: observation.slice(0, maxChars + 1), ...retire() };
  } catch (error) {
    if (error instanceof Declined) return { id, declined: true, ...retire() };
    const failure = error instanceof EvaluationFailure;
    const text = error instanceof Error ? error.message : 'failed';
    return {
      id,
      ok: false,
      code: failure ? 'tool_failed' : 'tool_input',
      observation: text.slice(0, 2000),
      ...(failure && error.retire ? { retire: true } : retire()),
    };
  }
}

/** For an image that this process can make once: when it is not intact any more, the process ends. */
function onlyOne(image: Image): MakeImage {
  let given = false;
  return () => {
    if (given) throw new Error('only another process can make another image');
    given = true;
    return image;
  };
}

/** Replaces an image that is not intact; called after the answer was sent, so that no caller waits for it. */
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
  const bytes =
    process.argv[3] === 'sympy'
      ? await (await import('./child/sympy.js')).makeSympySnapshot(readFileSync(PAYLOAD_FD))
      : await (await import('./child/python.js')).makePythonSnapshot();
  for (let at = 0; at < bytes.length; ) at += writeSync(PAYLOAD_FD, bytes, at);
  return exit(0);
}

function reply(message: HostReply): void {
  send?.(message);
}
