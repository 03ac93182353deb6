// Each kind of ballot: the poll, how a voter fills it in, and the vote that comes of it.

/** Places by the buttons that the script makes. */
const rankByButtons = async (page, labels) => {
  for (const label of labels) await page.getByRole('button', { name: `${label} +` }).click();
};

/** Places by the lists that are there without a script. */
const rankByLists = async (page, labels) => {
  for (const [index, label] of labels.entries()) await page.getByLabel(label).selectOption(String(index + 1));
};

export const KINDS = {
  single: {
    poll: {},
    fill: page => page.getByLabel('Coffee').check(),
    vote: { choices: [1] },
    shown: 'Your vote: Coffee',
  },
  multiple: {
    poll: { kind: 'multiple', max_choices: 2 },
    fill: async page => {
      await page.getByLabel('Tea').check();
      await page.getByLabel('Milk').check();
    },
    vote: { choices: [0, 2] },
    shown: 'Your vote: Tea, Milk',
  },
  'single with a write-in': {
    poll: { write_in: true },
    fill: async page => {
      await page.getByRole('radio', { name: 'Something else' }).check();
      await page.getByRole('textbox', { name: 'Your answer' }).fill('Mate');
    },
    vote: { other: 'Mate' },
    shown: 'Your vote: Mate',
  },
  'multiple with a write-in': {
    poll: { kind: 'multiple', write_in: true },
    fill: async page => {
      await page.getByLabel('Tea').check();
      await page.getByRole('textbox', { name: 'Something else' }).fill('Mate');
    },
    vote: { choices: [0], other: 'Mate' },
    shown: 'Your vote: Tea, Mate',
  },
  ranked: {
    poll: { kind: 'ranked' },
    fill: (page, hasScript) => (hasScript ? rankByButtons : rankByLists)(page, ['Milk', 'Tea']),
    vote: { ranking: [2, 0] },
    shown: 'Your vote: 1. Milk, 2. Tea',
  },
  rating: {
    poll: { kind: 'rating' },
    fill: page => page.getByRole('radiogroup', { name: 'Coffee' }).getByRole('radio', { name: '4' }).check(),
    vote: { ratings: [{ option: 1, value: 4 }] },
    shown: 'Your vote: Coffee: 4',
  },
  'rating on a long scale': {
    poll: { kind: 'rating', scale: { min: -5, max: 5 } },
    fill: page => page.getByLabel('Coffee').selectOption({ label: '-5' }),
    vote: { ratings: [{ option: 1, value: -5 }] },
    shown: 'Your vote: Coffee: -5',
  },
  text: {
    poll: { kind: 'text' },
    fill: page => page.getByRole('textbox').fill('so so'),
    vote: { text: 'so so' },
    shown: 'Your vote: so so',
  },
  quiz: {
    poll: { kind: 'multiple', correct: [0, 1] },
    fill: page => page.getByLabel('Tea').check(),
    vote: { choices: [0] },
    shown: 'Your vote: Tea',
  },
  segments: {
    poll: { segments: [{ name: 'region', values: ['north', 'south'], from: 'vote' }] },
    fill: async page => {
      await page.getByLabel('Tea').check();
      await page.getByLabel('region').selectOption('south');
    },
    vote: { choices: [0], segments: { region: 'south' } },
    shown: 'Your vote: Tea',
  },
};
