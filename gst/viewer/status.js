/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the page says: connection, state, model, notices, errors.
 */

const PASSING = 15000; /* ms an error stays that did not end the stream */

export const $ = (id) => document.getElementById(id);

function write(id, text) {
  if ($(id).textContent !== text)
    $(id).textContent = text;
}

function icon(id, name, label) {
  const use = $(id).querySelector('use');
  if (use.getAttribute('href') !== `#i-${name}`)
    use.setAttribute('href', `#i-${name}`);
  $(id).setAttribute('aria-label', label);
}

export class Status {
  /* `app`: {wire, player, segments, page}. */
  constructor(app) {
    this.app = app;
    this.errors = []; /* the last few, newest last */
  }

  link(state, text) {
    $('link').dataset.link = state;
    write('link-text', text);
  }

  notice(text) {
    write('notice', text);
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => write('notice', ''), 8000);
  }

  get alarmed() {
    return !$('alert').hidden;
  }

  /* `passing`: goes away by itself if the stream goes on. */
  alarm(text, { more = '', retry = true, passing = false } = {}) {
    this.errors.push(text);
    if (this.errors.length > 10)
      this.errors.shift();
    write('alert-text', text);
    this.add(more, { retry });
    $('alert').hidden = false;
    clearTimeout(this.alarmTimer);
    this.alarmTimer = passing ? setTimeout(() => {
      if (this.app.wire.connected && this.app.player.state === 'playing')
        this.calm();
    }, PASSING) : 0;
  }

  /* A second line under the error that is shown. */
  add(more, { retry = true } = {}) {
    write('alert-more', more);
    $('retry').hidden = !retry;
  }

  calm() {
    $('alert').hidden = true;
    this.app.page.fatal = false;
  }

  curtain(text, turning = true) {
    $('curtain').hidden = !text;
    $('curtain').classList.toggle('still', !turning);
    if (text)
      write('curtain-text', text);
  }

  show() {
    const { player, page, wire } = this.app;
    const { state, video } = player;
    this.showCurtain();
    $('stage').classList.toggle('idle', state !== 'playing');
    $('start').hidden = state !== 'blocked';
    $('unmute').hidden = !(video.muted && state === 'playing');
    const stopped = player.hold || state === 'blocked' || state === 'ended';
    icon('play', stopped ? 'play' : 'pause', stopped ? 'Play' : 'Pause');
    const silent = video.muted || video.volume === 0;
    icon('mute', silent ? 'mute' : 'sound',
      silent ? 'Turn the sound on' : 'Mute');
    if (wire.connected && !page.fatal)
      this.link(page.held ? 'held' : 'live', page.complete ? 'Stream ended'
        : page.held ? 'Generator paused' : player.hold ? 'Paused here' : 'Live');
  }

  showCurtain() {
    const { player, page, wire } = this.app;
    const { state } = player;
    if (this.alarmed && state !== 'playing')
      this.curtain('');
    else if (page.complete && state !== 'playing')
      this.curtain('The stream has ended.', false);
    else if (!wire.connected)
      this.curtain(state === 'idle' ? 'Looking for the server…' : '');
    else if (state === 'idle')
      this.curtain('Connected. Waiting for the first segment…');
    else if (state === 'buffering')
      this.curtain(page.held ? 'The generator is paused.'
        : 'Gathering picture and sound…', !page.held);
    else
      this.curtain('');
  }

  showModel() {
    const { model, procedural } = this.app.segments;
    if (!model && procedural === null)
      return;
    $('model').hidden = false;
    $('model').classList.toggle('drawing', procedural === true);
    /* "procedural" alone says less than the sentence beside it. */
    write('model-name', procedural && model === 'procedural' ? '' : model);
    write('model-kind', procedural === null ? '' : procedural
      ? 'A procedural drawing, not a neural model' : 'Neural model');
  }

  showControl() {
    const { control, held } = this.app.page;
    for (const id of ['prompt', 'send', 'hold', 'reset'])
      $(id).disabled = !control;
    $('prompt').placeholder = control ? 'Describe what comes next'
      : 'This viewer may watch but not steer.';
    $('hold').setAttribute('aria-pressed', held);
    write('hold-text', held ? 'Resume dreaming' : 'Pause dreaming');
    icon('hold', held ? 'play' : 'pause', held ? 'Resume dreaming'
      : 'Pause dreaming');
  }

  /* The prompt of the segment that came on the screen, for a while. */
  caption(text) {
    if (text === this.captioned)
      return;
    this.captioned = text;
    write('caption', text);
    $('caption').classList.toggle('shown', text !== '');
    clearTimeout(this.captionTimer);
    this.captionTimer = setTimeout(
      () => $('caption').classList.remove('shown'), 7000);
  }
}
