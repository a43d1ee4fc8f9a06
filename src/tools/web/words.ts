/** What prompts say of the engines that search the whole web: the model need not know which one it is. */
export const SEARCH_WORDS = {
  description: 'Searches the web and shows titles and excerpts of the best pages.',
  inputHint: 'a query, e.g. boiling point of ethanol at 1 atm',
  example: {
    wanted: 'the year of the Peace of Westphalia',
    input: 'Peace of Westphalia year',
    observation: '1. Peace of Westphalia: two treaties signed in October 1648 that ended the Thirty Years’ War …',
  },
} as const;
