/** llama.cpp's log-probs, token by token, with an F32 cache and flash attention off: what ours are compared with. */
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel, type Token } from 'node-llama-cpp';

export class Served {
  private constructor(
    private readonly llama: Llama,
    private readonly model: LlamaModel,
  ) {}

  static async open(modelPath: string): Promise<Served> {
    const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error, maxThreads: 2 });
    return new Served(llama, await llama.loadModel({ modelPath }));
  }

  /** Natural-log probability of tokens[i] after tokens[0..i-1]. Entry 0 is 0. */
  async logprobs(tokens: Int32Array, adapterPath?: string): Promise<number[]> {
    const context = await this.model.createContext({
      contextSize: 256,
      threads: 2,
      flashAttention: false,
      experimentalKvCacheKeyType: 'F32',
      experimentalKvCacheValueType: 'F32',
      ...(adapterPath === undefined ? {} : { lora: { adapters: [{ filePath: adapterPath, scale: 1 }] } }),
    });
    const results = await context
      .getSequence()
      .controlledEvaluate(Array.from(tokens, (token) => [token as Token, { generateNext: { probabilities: true } }]));
    await context.dispose();
    return Array.from(tokens, (token, i) =>
      i === 0 ? 0 : Math.log(results[i - 1]?.next.probabilities?.get(token as Token) ?? Number.NaN),
    );
  }

  async dispose(): Promise<void> {
    await this.model.dispose();
    await this.llama.dispose();
  }
}
