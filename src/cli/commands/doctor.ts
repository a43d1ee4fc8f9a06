/** `spark-rl doctor`: one line for each part that was tried. */
import { diagnose } from '../../doctor/diagnose.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, judgeOptions, serverOptions } from '../options.js';

const MARK = { ok: 'ok    ', failed: 'FAILED', note: 'note  ' } as const;

export default defineCommand({
  options: { ...configOptions, ...judgeOptions, ...serverOptions },
  examples: [
    ['$0 doctor', 'what works on this machine'],
    ['$0 doctor --set tools.python.engine=system', 'the tool python in your own python3, in a sandbox'],
  ],
  async run(args, { signal }) {
    const findings = await diagnose(await configFromArgs(args), signal);
    return {
      json: { findings },
      text: findings.map((f) => `${MARK[f.state]}  ${f.name.padEnd(16)} ${f.detail}`).join('\n'),
      failed: findings.some((finding) => finding.state === 'failed'),
    };
  },
});
