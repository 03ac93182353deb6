// The running stack, by its JSON API: polls are made, votes are cast and counts are read past the page.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

const { API_URL, PAGES_URL, OWNER_TOKEN } = process.env;
assert(API_URL && PAGES_URL && OWNER_TOKEN, 'Set API_URL, PAGES_URL and OWNER_TOKEN (an account that makes polls).');

const COUNTED_WITHIN_MS = 20_000;
const READ_AGAIN_MS = 300;
const COOKIE = '__Host-landslide';

/** The last option of every poll of drinks gets the vote that shows that all earlier ones are counted. */
export const DRINKS = ['Tea', 'Coffee', 'Milk'];

async function call(method, path, token, body) {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${API_URL}/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A new poll, of drinks unless the settings say otherwise. */
export function makePoll(settings = {}) {
  const options = settings.kind === 'text' ? {} : { options: DRINKS };
  return call('POST', 'polls', OWNER_TOKEN, { question: 'What would you like?', ...options, ...settings });
}

/** A time this many seconds from now. */
export const inSeconds = seconds => new Date(Date.now() + seconds * 1000).toISOString();

/** The address of a poll's page. */
export const pageOf = (poll, query = '') => `${PAGES_URL}/p/${poll.poll_id}${query}`;

/** An address that no page has. */
export const nowhere = `${PAGES_URL}/nope`;

/** Votes by the API, as a device of its own. */
export async function vote(poll, ballot) {
  const { token } = await call('POST', 'devices');
  await call('POST', `polls/${poll.poll_id}/votes`, token, ballot);
}

/** A link to a poll's results, as its token. */
export const linkTo = async poll => (await call('POST', `polls/${poll.poll_id}/views`, OWNER_TOKEN, {})).token;

/** Pauses a poll. */
export const pausePoll = poll => call('POST', `polls/${poll.poll_id}/pause`, OWNER_TOKEN);

/** The ballot that the browser's device has cast. */
export async function voteOf(context, poll) {
  const { poll_id, revision, cast_at, ...ballot } = await call('GET', `polls/${poll.poll_id}/votes/mine`, await deviceOf(context));
  return ballot;
}

/** The device's token in the browser's cookie. */
export const deviceOf = context => cookieOf(context, COOKIE);

/** The same on a device that many share, which has a cookie for each such poll. */
export const sharedDeviceOf = (context, poll) => cookieOf(context, `${COOKIE}-voter-${poll.poll_id}`);

async function cookieOf(context, wanted) {
  const cookies = await context.cookies(PAGES_URL);
  return cookies.find(({ name }) => name === wanted)?.value;
}

/** The results once this many ballots are counted. */
export async function resultsOf(poll, ballots) {
  const deadline = Date.now() + COUNTED_WITHIN_MS;
  for (;;) {
    const results = await call('GET', `polls/${poll.poll_id}/results`);
    if (results.ballots >= ballots && !results.unavailable) return results;
    assert(Date.now() < deadline, `Only ${results.ballots} of ${ballots} ballots are counted.`);
    await pause(READ_AGAIN_MS);
  }
}

/** Fails unless these are all votes of a poll of drinks. A vote for milk is cast last: once it counts, so do all before it. */
export async function assertVotes(poll, expected) {
  await vote(poll, { choices: [DRINKS.length - 1] });
  const { Tea = 0, Coffee = 0 } = expected;
  const { options } = await resultsOf(poll, Tea + Coffee + 1);
  assert.deepEqual(options.map(option => option.votes), [Tea, Coffee, 1], 'votes for tea, coffee and milk');
}
