const doc = document, { lang } = doc.documentElement, start = performance.now();
const one = (selector, from = doc) => from.querySelector(selector), all = (selector, from = doc) => [...from.querySelectorAll(selector)];
const pause = seconds => new Promise(done => setTimeout(done, seconds * 1000 * (.9 + Math.random() * .2)));

// Times of the reader's zone.
const localise = from => all('time', from).forEach(time => {
  const at = new Date(time.dateTime), near = at.toDateString() === new Date().toDateString();
  time.textContent = at.toLocaleString(lang, near ? { timeStyle: time.dataset.s ? 'medium' : 'short' } : { dateStyle: 'medium', timeStyle: 'short' });
});
localise(doc);

// A page that comes back as it was left may be of another time.
onpageshow = event => event.persisted && location.reload();

// A device that others use is theirs after five seconds.
const next = one('[data-next]');
if (next) setTimeout(() => next.click(), 5e3);
