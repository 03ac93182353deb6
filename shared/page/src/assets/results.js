// Results, as often as the server says. An older document is dropped, and nothing moves below a reader's focus.
const live = one('[data-live]');
if (live) (async () => {
  const version = part => part.dataset.version.split(' ');
  let wait = +live.dataset.after, told = start, untold, last;
  // Of those who wait for the closing, not all ask at once.
  if (live.dataset.left) await new Promise(done => setTimeout(done, Math.min(+live.dataset.left + Math.random() * 8e3, 2e9)));
  for (;;) {
    await pause(wait);
    if (doc.hidden) continue;
    // A screen reader hears of changes every ten seconds at most, and of the last one.
    if (untold && performance.now() - told > 1e4) {
      told = performance.now();
      one('#told').textContent = untold;
      untold = '';
    }
    try {
      const answer = await fetch(live.dataset.live);
      if (answer.status > 399 && answer.status < 500 && answer.status !== 429) return;
      wait = +answer.headers.get('landslide-poll-after') || 10;
      const text = answer.ok && await answer.text();
      if (!text || text === last) continue;
      const next = one('[data-version]', new DOMParser().parseFromString(text, 'text/html'));
      const shown = one('[data-version]', live);
      if (!next || shown.contains(doc.activeElement)) continue;
      const [poll, counts] = version(next), [shownPoll, shownCounts] = version(shown);
      // Of one version there may be several: an answer that was hidden goes, a final result says so.
      if (+poll < +shownPoll || +counts < +shownCounts) continue;
      last = text;
      all('.own', shown).forEach(mark => { const row = one('#' + mark.closest('li').id, next); if (row && !one('.own', row)) one('bdi', row).after(' ', mark) });
      shown.replaceWith(next);
      localise(next);
      const count = one('.count', next).textContent;
      if (count !== one('.count', shown)?.textContent) untold = count;
    } catch { wait = Math.min(wait * 2, 30) }
  }
})();
