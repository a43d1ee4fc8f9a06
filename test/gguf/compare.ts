/** Mutants of a file, and both verdicts on each. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mutate } from './mutate.js';
import { engineVerdict, headerVerdict, LlamaVerdicts } from './verdicts.js';

export interface Disagreement {
  readonly file: string;
  readonly seed: number;
  readonly what: string;
  /** Why llama.cpp refuses what we take. */
  readonly llama: string;
  readonly aborted: boolean;
}

export interface Comparison {
  mutants: number;
  llamaRefuses: number;
  llamaAborts: number;
  engineRefuses: number;
  /** Our engine computes with a file that llama.cpp does not take: a fault. */
  readonly engine: Disagreement[];
  /** llama.cpp aborts over a file that passes the check made in our process: the probing child is for these. */
  readonly header: Disagreement[];
  /** Ours alone refuses; allowed, and counted to see that it is for a reason. */
  readonly stricter: Map<string, number>;
}

export interface Task {
  readonly files: readonly string[];
  readonly count: number;
  readonly seed: number;
  /** An empty folder. */
  readonly folder: string;
  readonly progress?: (done: number) => void;
}

export async function compare({ files, count, seed, folder, progress }: Task): Promise<Comparison> {
  const sources = files.map((file) => ({ file, bytes: readFileSync(file) }));
  const llama = new LlamaVerdicts();
  const out: Comparison = {
    mutants: 0,
    llamaRefuses: 0,
    llamaAborts: 0,
    engineRefuses: 0,
    engine: [],
    header: [],
    stricter: new Map(),
  };
  try {
    for (let i = 0; i < count; i++) {
      const source = sources[i % sources.length]!;
      const mutant = mutate(source.bytes, seed + i);
      const file = path.join(folder, `mutant-${seed + i}.gguf`);
      writeFileSync(file, mutant.bytes);
      const theirs = await llama.of(file);
      const ours = await engineVerdict(file);
      const header = await headerVerdict(file);
      rmSync(file);
      const aborted = theirs.aborted === true;
      out.mutants++;
      if (theirs.refusal !== null) out.llamaRefuses++;
      if (aborted) out.llamaAborts++;
      if (ours.refusal !== null) out.engineRefuses++;
      const disagreement = () => ({
        file: source.file,
        seed: seed + i,
        what: mutant.what,
        llama: theirs.refusal!,
        aborted,
      });
      if (theirs.refusal !== null && ours.refusal === null) out.engine.push(disagreement());
      if (aborted && header.refusal === null) out.header.push(disagreement());
      if (theirs.refusal === null && ours.refusal !== null) {
        const reason = ours.refusal
          .replaceAll(file, 'FILE')
          .replace(/got .*/s, 'got …')
          .slice(0, 120);
        out.stricter.set(reason, (out.stricter.get(reason) ?? 0) + 1);
      }
      progress?.(i + 1);
    }
    return out;
  } finally {
    llama.end();
  }
}
