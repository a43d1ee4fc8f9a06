/** Every command: how it is called and what it is for. A command's file is loaded only when that command is called. */
import { lazyCommand } from './command.js';

export const commands = [
  lazyCommand(
    'setup',
    'Build the training engine of an installed package: once, after npm install',
    () => import('./commands/setup.js'),
  ),
  lazyCommand(
    'quickstart',
    'The ladder on the embedded default: no key, no network, minutes on two cores',
    () => import('./commands/quickstart.js'),
  ),
  lazyCommand(
    'doctor',
    'Try every part once and say what works, what does not and what to do',
    () => import('./commands/doctor.js'),
  ),
  lazyCommand(
    'questions <action> [file]',
    'Import MMLU-Pro questions, or make the built-in mini set',
    () => import('./commands/questions.js'),
  ),
  lazyCommand(
    'corpus <action> [what..]',
    'Build what encyclopedia and search know from articles of your own: Wikipedia, Markdown, dictionaries; look into it',
    () => import('./commands/corpus.js'),
  ),
  lazyCommand(
    'generate',
    'Roll out trajectories: every step judged, the rarest good action taken, tools really run',
    () => import('./commands/generate.js'),
  ),
  lazyCommand(
    'trajectories <action> [file..]',
    'Look at what was rolled out, show, stats; export it and import what was made elsewhere: spark, hf-chat, parquet',
    () => import('./commands/trajectories.js'),
  ),
  lazyCommand('train <method>', 'Train a LoRA adapter on a run’s trajectories', () => import('./commands/train.js')),
  lazyCommand(
    'eval',
    'Accuracy with intervals, per category, and tool entropy; or grade finished outputs',
    () => import('./commands/eval.js'),
  ),
  lazyCommand(
    'ask <question>',
    'Let a trained policy, or any model, answer a question of yours with tools, step by step',
    () => import('./commands/ask.js'),
  ),
  lazyCommand(
    'ladder',
    'The whole of it: base, base + tools, SFT, PPO without diversity, SPaRK, and the report; --seeds N with intervals',
    () => import('./commands/ladder.js'),
  ),
  lazyCommand(
    'ablate <what>',
    'Vary one thing (τ, ρ, what is learned from, categories, judge) over seeds, sharing all that is the same',
    () => import('./commands/ablate.js'),
  ),
  lazyCommand(
    'report',
    'Write report.html of a run from what it has evaluated and trained so far; nothing else of it is touched',
    () => import('./commands/report.js'),
  ),
  lazyCommand(
    'runs <action> [run..]',
    'List runs, lay their settings and results side by side, or remove them',
    () => import('./commands/runs.js'),
  ),
  lazyCommand(
    'adapter <action> <path>',
    'Look into a LoRA adapter, write it in another format, or merge it into its base',
    () => import('./commands/adapter.js'),
  ),
  lazyCommand(
    'models <action> [file..]',
    'What of a GGUF is supported, which models fit this machine’s memory; fetch one, with its checksum',
    () => import('./commands/models.js'),
  ),
  lazyCommand(
    'logprobs',
    'Natural-log probability of every next token, from our own engine',
    () => import('./commands/logprobs.js'),
  ),
  lazyCommand(
    'verify <what>',
    'Prove that our log-probs are llama.cpp’s (parity), or that a stop changes no bit (resume)',
    () => import('./commands/verify.js'),
  ),
  lazyCommand(
    'config <action>',
    'Print the configuration that flags, files and defaults resolve to',
    () => import('./commands/config.js'),
  ),
];
