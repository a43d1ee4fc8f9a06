/**
 * Opens each file it is sent as a generator would, evaluates one token, and answers whether the library refused the
 * file. A failed assertion of llama.cpp may end this process. Plain JavaScript, which runs without being compiled.
 */
import { Worker } from 'node:worker_threads';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

// Whoever started this process sees to it that a file that never ends loading is given up. If it is killed, nobody does, and
// the library holds this thread. So another one looks.
const WATCH = `setInterval(() => {
  if (process.ppid !== ${process.ppid}) process.kill(process.pid, 'SIGKILL');
}, 500);`;
new Worker(WATCH, { eval: true }).unref();

const said = [];
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
  logger: (_level, message) => said.push(message.trim()),
  maxThreads: 0,
});

// All ASCII characters, and characters of two, three and four bytes: llama.cpp ends the process when the vocabulary has
// no token for one of them.
const TEXT = `${Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).join('')}ü ½ € 文 😀`;

async function open(modelPath) {
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: 64, sequences: 1, threads: 1, failedCreationRemedy: false });
  const tokens = model.tokenize(TEXT, false, 'trimLeadingSpace');
  const first = tokens[0] ?? model.tokens.bos ?? 0;
  await context.getSequence().controlledEvaluate([[first, { generateNext: { token: true } }]]);
  model.detokenize([first], true);
  await context.dispose();
  await model.dispose();
}

process.on('message', async (file) => {
  said.length = 0;
  let refusal = null;
  try {
    await open(file);
  } catch (error) {
    refusal = [...said, error instanceof Error ? error.message : String(error)].join(' | ');
  }
  process.send({ refusal });
});
process.send('ready');
